"""Formats of logs as arguments of the programs that read logs on the host."""

import datetime
import re
from collections.abc import Iterable
from functools import cache
from zoneinfo import ZoneInfo

from opsproof.inventory.logs import OFFSET, LinePattern, Log, LogFormat

TIMES, LEVELS, MESSAGES = "time,timestamp,ts,@timestamp", "level,severity,levelname", "message,msg,event"
"""Usual fields of JSON loggers: pino, winston, bunyan, structlog, zap."""
DAY_S = 86400
YEARS = (-3, 1)
"""Time zones are converted for these years from now; older times have the offset of the oldest."""
_DATE = r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d+)?"
_PYTHON_LEVELS = (
    "TRACE|DEBUG|VERBOSE|INFO|SUCCESS|NOTICE|WARNING|WARN|ERROR|SEVERE|CRITICAL|FATAL|ALERT|EMERGENCY|PANIC"
)
_NAMES = rf"(?:(?!(?<![\w.])[A-Z]{{3,}}(?![\w.])(?![\]\s:|,-]+(?:{_PYTHON_LEVELS})\b))[^\n]){{0,120}}?"
"""Names before a level; a word in capitals may be a level of the program's own, unless the level follows at once."""
_SERVER_LEVELS = (
    "DEBUG[1-5]?|INFO|NOTICE|WARNING|LOG|ERROR|FATAL|PANIC|DETAIL|HINT|QUERY|CONTEXT|LOCATION|STATEMENT|BACKTRACE"
)
PATTERNS = {
    "python": rf"^(?:\[?(?P<time>{_DATE}(?: ?(?:Z|[-+]\d\d:?\d\d))?)\]?[ ,|:-]+(?:{_NAMES}[ \[|:-])?)?"
    rf"(?P<level>{_PYTHON_LEVELS})(?=[\]\s:|,-])[\]\s:|,-]*(?P<message>.*)",
    "nginx-combined": r'^\S+ \S+ [^\[]*\[(?P<time>[^\]]+)\] "(?P<message>[^"]*)" (?P<status>\d{3}|-) (?:\d+|-)(?:\s|$)',
    "syslog": rf"^(?:<(?P<priority>\d{{1,3}})>(?:\d )?)?(?P<time>{_DATE}(?:Z|[-+]\d\d:\d\d)?|[A-Z][a-z][a-z] [ \d]\d "
    r"\d\d:\d\d:\d\d) \S+ (?P<message>.*)",
}
"""Patterns of formats by name."""
_ESCAPES = {
    **dict.fromkeys("mt", rf"(?P<time>{_DATE} [A-Za-z0-9+:-]+)"),
    "n": r"(?P<time>\d{10}\.\d{3})",
    "q": "(?:",
    "%": "%",
}


def words(log: Log) -> tuple[str, ...]:
    """The formats and patterns of `log`, as alternating keys and values."""
    pairs = [_format(each) for each in log.format]
    zone = next((each.zone for each in log.format if each.zone), "")
    pairs += [("zone", _offsets(zone))] if zone else []
    pairs += [(key, _any(each)) for key, each in (("client", log.client), ("ignore", log.ignore)) if each]
    return tuple(word for pair in pairs for word in pair)


def suggest(lines: Iterable[str]) -> str:
    """The format that fits a line of a text log, for a message."""
    patterns = {**PATTERNS, "postgresql": _postgresql("%m [%p] %q%u@%d "), "json": r"^[-0-9:TZ.+ ]*\{"}
    fitting = (name for line in lines for name, each in patterns.items() if re.match(each, line))
    return f"format {next(fitting, 'pattern')}"


def _format(declared: LogFormat) -> tuple[str, str]:
    if declared.name == "text":
        return "text", ""
    if declared.name == "pm2-json":
        return "pm2-json", "time level message"
    if declared.name in ("json", "caddy-json"):
        usual = zip((declared.time, declared.level, declared.message), (TIMES, LEVELS, MESSAGES), strict=True)
        return declared.name, " ".join(given or names for given, names in usual)
    pattern = declared.pattern or PATTERNS.get(declared.name) or _postgresql(declared.prefix)
    groups = re.compile(pattern).groupindex
    return declared.name, f"{','.join(f'{name}={number}' for name, number in groups.items())} {pattern}"


def _postgresql(prefix: str) -> str:
    """The pattern of a server's lines, by its log_line_prefix."""
    text, optional = "", 0
    for escape, plain in re.findall(r"%-?\d*([a-zA-Z%])|([^%]+)", prefix):
        optional += escape == "q"
        text += re.escape(plain) if plain else _ESCAPES.get(escape, r"[^\n]*?")
    return f"^{text}{')?' * optional}(?P<level>{_SERVER_LEVELS}):\\s+(?P<message>.*)"


def _any(patterns: list[LinePattern]) -> str:
    return "|".join(f"(?:{each.pattern})" for each in patterns)


@cache
def _offsets(zone: str) -> str:
    """Offsets from UTC as START:SECONDS, from each moment on."""
    if match := OFFSET.fullmatch(zone):
        return f"0:{(1 if match[1] == '+' else -1) * (int(match[2]) * 3600 + int(match[3]) * 60)}"
    now = int(datetime.datetime.now(tz=datetime.UTC).timestamp())
    first, last = (now + 365 * DAY_S * years for years in YEARS)
    found = [(0, _offset(zone, first))]
    for day in range(first, last, DAY_S):
        if _offset(zone, day) != found[-1][1]:
            hour = next(each for each in range(day - DAY_S, day + 1, 900) if _offset(zone, each) != found[-1][1])
            found.append((hour - hour % 900, _offset(zone, hour)))
    return ",".join(f"{start}:{seconds}" for start, seconds in found)


def _offset(zone: str, moment: int) -> int:
    offset = datetime.datetime.fromtimestamp(moment, ZoneInfo(zone)).utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0
