"""Formats of log lines: each is read by the real program, as declared in the inventory."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from opsproof.facts import log_formats
from opsproof.inventory.logs import Log
from tests.facts.scanning import DAY, NOW, Logs, Scan, counts, entry, iso, messages, prefix

PINO = '{"level":%d,"time":%d,"pid":1,"hostname":"h","msg":"boom"}\n'
ZAP = '{"level":"%s","ts":%s,"caller":"a.go:1","msg":"boom","error":"refused"}\n'
PYTHON = "2026-11-24 05:59:%s,123 %s app.db: %s\n"
UTC_PYTHON = {"name": "python", "zone": "UTC"}
SERVER = "2026-11-24 06:00:00.123 UTC [42] app@shop %s:  boom\n"
NGINX = '1.2.3.4 - - [24/Nov/2026:06:00:00 +0000] "GET /x HTTP/1.1" %d 153 "-" "curl"\n'
CADDY = '{"level":"%s","ts":%s,"logger":"http.log.access","msg":"handled request","request":{"uri":"/"},"status":%d}\n'
STACK = "TypeError: x is not a function\n    at f (/a.js:1:2)\n    at g (/b.js:3:4)\n"
TRACE = 'Traceback (most recent call last):\n  File "a.py", line 1, in <module>\n    f()\nValueError: bad\n'
CHAIN = f"\nDuring handling of the above exception, another exception occurred:\n\n{TRACE}"
JAVA = "java.lang.IllegalStateException: bad\n\tat a.B.c(B.java:1)\nCaused by: java.io.IOException: x\n\t... 3 more\n"


@pytest.fixture
def read(logs: Logs, run: Scan) -> Callable[..., dict[str, Any]]:
    """Answer about a log with this content and declaration."""

    def read(content: str, declared: object, window: int = DAY, **keys: object) -> dict[str, Any]:
        path = logs(content)
        log = Log.model_validate({"path": str(path), "format": declared, **keys})
        done = run(path, window, *log_formats.words(log))
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    return read


def found(lines: int, **expected: int) -> dict[str, int]:
    """Counts of a log whose lines are all understood."""
    return {"lines": lines, "recognized": lines} | expected


@pytest.mark.parametrize(
    ("declared", "content", "expected", "message"),
    [
        ("json", PINO % (30, 1000 * NOW) + PINO % (50, 1000 * NOW), found(2, errors=1), "boom"),
        ("json", PINO % (60, 1000 * NOW - 9) + PINO % (40, 1000 * NOW), found(2, fatals=1), "boom"),
        ("json", ZAP % ("info", NOW - 9.5) + ZAP % ("dpanic", NOW), found(2, fatals=1), "boom: refused"),
        ("json", ZAP % ("error", "1.7954999e+09") + ZAP % ("warn", NOW), found(2, errors=1), "boom: refused"),
        ("json", f'{{"message":"boom","level":"error","timestamp":"{iso(9)}"}}\n', found(1, errors=1), "boom"),
        ("json", f'{{"event": "boom", "level": "critical", "timestamp": "{iso(9)}"}}\n', found(1, fatals=1), "boom"),
        ("json", f'{{"name":"app","level":50,"msg":"boom","time":"{iso(9)}","v":0}}\n', found(1, errors=1), "boom"),
        ("json", f'{{"levelname": "ERROR", "@timestamp": "{iso(9)}", "msg": "boom"}}\n', found(1, errors=1), "boom"),
        (
            {"name": "json", "time": "when", "level": "sev", "message": "text"},
            f'{{"level":"INFO","when":"{iso(9)}","sev":"ERROR","text":"boom"}}\n',
            found(1, errors=1),
            "boom",
        ),
        ("json", PINO % (30, 1000 * NOW) + STACK, found(4, errors=1), "TypeError: x is not a function"),
        ("caddy-json", CADDY % ("info", NOW, 200) + CADDY % ("error", NOW, 502), found(2, errors=1), "handled request"),
        ("caddy-json", CADDY % ("info", NOW, 404) + ZAP % ("info", NOW), found(2, client_errors=1), None),
        ("nginx-combined", NGINX % 404 + NGINX % 502, found(2, errors=1, client_errors=1), "GET /x HTTP/1.1"),
        ("postgresql", SERVER % "LOG" + SERVER % "ERROR" + SERVER % "STATEMENT", found(3, errors=1), "boom"),
        ("postgresql", SERVER % "FATAL" + SERVER % "PANIC" + "\tcontinued\n", found(3, errors=1, fatals=1), "boom"),
        (
            {"name": "postgresql", "prefix": "%n [%p]: [%l-1] "},
            f"{NOW - 9}.123 [42]: [1-1] ERROR:  boom\n",
            found(1, errors=1),
            "boom",
        ),
        (
            {"name": "postgresql", "prefix": "%t [%-5p] %q[%a] "},
            "2026-11-24 05:59:00 UTC [42   ] LOG:  ok\n2026-11-24 05:59:00 UTC [43   ] [app] ERROR:  boom\n",
            found(2, errors=1),
            "boom",
        ),
        ("syslog", "2026-11-24T05:59:00.123456+00:00 vm x[1]: error: boom\n", found(1, errors=1), "x[1]: error: boom"),
        ("syslog", "<28>1 2026-11-24T05:59:00Z vm x\n<27>1 2026-11-24T05:59:00Z vm boom\n", found(2, errors=1), "boom"),
        ({"name": "syslog", "zone": "UTC"}, "Nov 24 05:59:00 vm app[1]: fine\n", found(1), None),
        (UTC_PYTHON, PYTHON % (10, "ERROR", "boom") + TRACE + CHAIN, found(12, errors=1), "app.db: boom"),
        (UTC_PYTHON, PYTHON % (10, "INFO", "x") + TRACE, found(5, errors=1), "ValueError: bad"),
        (UTC_PYTHON, PYTHON % (10, "CRITICAL", "boom"), found(1, fatals=1), "app.db: boom"),
        ("python", "[2026-11-24 05:59:00 +0000] [7] [ERROR] boom\n", found(1, errors=1), "boom"),
        ("python", f"{prefix(9)}ERROR:root:boom\n{prefix(9)}INFO:root:x\n", found(2, errors=1), "root:boom"),
        (
            {"name": "pattern", "pattern": r"^(?P<time>\S+ \S+) (?P<level>\w+) +(?P<message>.*)", "zone": "UTC"},
            "2026-11-24 05:59:00,123 ERROR boom\n" + JAVA + "2026-11-24 05:59:01,000 INFO fine\n",
            found(6, errors=1),
            "boom",
        ),
        (
            {"name": "pattern", "pattern": r"^(?P<status>\d+) (?P<time>\S+)$"},
            f"404 {NOW}\n500 {NOW}\n200 {NOW}\n",
            found(3, errors=1, client_errors=1),
            "500 …",
        ),
        ("text", f"{iso(9)} boom\n", found(1, errors=1), f"{iso(9)} boom"),
        ("text", f"{prefix(9)}panic: boom\n\ngoroutine 1 [running]:\n", found(3, fatals=1), "panic: boom"),
    ],
)  # fmt: skip
def test_records_count_by_their_level(
    read: Callable[..., dict[str, Any]], declared: object, content: str, expected: dict[str, int], message: str | None
) -> None:
    """Of pino, zap, winston, structlog, bunyan, python-json-logger, and programs with formats of their own."""
    result = read(content, declared)
    assert counts(result) == expected
    assert next((text for text, _ in messages(result)), None) == message
    assert result["oldest"] is not None


INFO = "".join(entry(100 - n / 10) for n in range(200))


def test_text_between_json_lines_is_not_lost(read: Callable[..., dict[str, Any]]) -> None:
    """PM2's combined log: 40 stacks on stderr among 200 lines of INFO."""
    stacks = "".join(f"{prefix(50)}{line}\n" for _ in range(40) for line in STACK.splitlines())
    assert counts(read(INFO + stacks, "pm2-json")) == found(320, errors=40)


@pytest.mark.parametrize("level", ['"error"', "50"])
def test_levels_of_another_logger_are_read(read: Callable[..., dict[str, Any]], level: str) -> None:
    """A library with its own logger writes to the same file."""
    other = f'{{"level":{level},"time":"{iso(9)}","msg":"x"}}\n'
    assert counts(read(INFO + other * 60, "pm2-json")) == found(260, errors=60)


CUT = entry(9).partition(',"message"')[0] + ',"message"'


@pytest.mark.parametrize(
    ("joined", "errors"),
    [
        (entry(9).rstrip() + entry(9, "ERROR"), 1),
        (entry(9)[:-9] + entry(9, "ERROR"), 1),
        (entry(9)[:-9] + entry(9, "ERROR", dated=False), 1),
        (entry(9)[:-12] + entry(9, "ERROR", dated=False), 1),
        (entry(9, "ERROR")[:-9] + entry(9, "ERROR"), 2),
        (entry(9)[:-9] + entry(9)[:-9] + entry(9, "FATAL"), 1),
        (CUT + ":" + entry(9, "ERROR"), 1),
        (CUT + ":" + entry(9, "ERROR", dated=False), 1),
        (CUT + ': {"a":1},' + entry(9, "FATAL", dated=False), 1),
        (CUT + ":[" + entry(9, "ERROR", all=[{"level": "ERROR"}]), 1),
        (CUT + ':{"level":"ERROR","message":"x"},"all":[{"level":"ERROR"},{"level":"ERROR"}]}\n', 0),
        (CUT + ': {"level":"ERROR","message":"x"} }\n', 0),
        ('\t{"level":"ERROR","message":"x"}\n', 1),
        ('{"level":"INFO","message":"x","meta":{"level":"ERROR"},"all":[{"level":"ERROR"}]}\n', 0),
        ('{"level":"INFO","message":"sent {\\"level\\":\\"ERROR\\"}"}\n', 0),
    ],
)
@pytest.mark.parametrize("declared", ["pm2-json", "json"])
def test_record_behind_a_torn_record_is_read(
    read: Callable[..., dict[str, Any]], declared: str, joined: str, errors: int
) -> None:
    """A full disk cuts a write short; the next record follows without a newline."""
    result = read(INFO + joined + INFO, declared)
    assert result["errors"] + result["fatals"] == errors
    assert (result["lines"], result["recognized"]) == (401, 401)


def test_lines_of_no_format_are_unread(read: Callable[..., dict[str, Any]]) -> None:
    """Three of them are evidence, without secrets."""
    result = read(INFO + f"{prefix(9)}cannot connect, password=s3cret\n" * 5, "pm2-json")
    assert counts(result) == {"lines": 205, "recognized": 200}
    assert result["unread"] == ["cannot connect, password=***"] * 3


def test_several_formats_share_a_log(read: Callable[..., dict[str, Any]]) -> None:
    """The first fitting format decides; with text, every other line is an error."""
    content = INFO + f"{prefix(9)}lost\n{prefix(5)}    at f\n" + NGINX % 502
    assert counts(read(content, ["pm2-json", "nginx-combined", "text"])) == found(203, errors=2)


def test_levels_in_a_text_log_are_noticed(read: Callable[..., dict[str, Any]]) -> None:
    """Every line counts as an error, so 2,000 lines of INFO need another format."""
    result = read("".join(f"{iso(90)} INFO order {n} placed\n" for n in range(2000)), "text")
    assert (result["errors"], result["leveled"]) == (2000, 2000)
    assert log_formats.suggest(result["unread"]) == "format python"


@pytest.mark.parametrize(
    ("line", "leveled"),
    [
        ("[2026-11-24 05:59:00 +0000] [7] [INFO] x", 1),
        (f"{iso(9)} app[warn]: x", 1),
        (f"{iso(9)} level=info msg=x", 1),
        (f'{iso(9)} {{"level":"debug"}}', 1),
        (f"{iso(9)} the INFORMATION is lost", 0),
        (f"{iso(9)} ERROR x", 0),
    ],
)
def test_level_words_of_text_lines(read: Callable[..., dict[str, Any]], line: str, leveled: int) -> None:
    """Words such as INFO, in the notations of usual loggers."""
    assert read(line + "\n", "text")["leveled"] == leveled


@pytest.mark.parametrize(
    ("line", "format_name"),
    [
        ("2026-11-24 05:59:00,123 INFO x", "python"),
        (NGINX % 200, "nginx-combined"),
        ("Nov 24 05:59:00 vm app[1]: INFO x", "syslog"),
        ('{"level":"info"}', "json"),
        ("05:59 INFO x", "pattern"),
    ],
)
def test_suggestion_is_a_fitting_format(line: str, format_name: str) -> None:
    """A message names the format to declare."""
    assert log_formats.suggest([line]) == f"format {format_name}"


@pytest.mark.parametrize(
    ("zone", "stamp", "age"),
    [
        ("UTC", "2026-11-24 05:59:00", 60),
        ("+01:00", "2026-11-24 06:59:00", 60),
        ("-02:30", "2026-11-24 03:29:00", 60),
        ("Europe/Zagreb", "2026-11-24 06:59:00", 60),
        ("Europe/Zagreb", "2026-07-01 02:00:00", NOW - 1782864000),
        ("America/New_York", "Nov 24 00:59:00", 60),
        ("UTC", "Dec 31 23:59:00", NOW - 1767225540),
    ],
)
def test_times_without_zone_are_in_the_declared_zone(
    read: Callable[..., dict[str, Any]], zone: str, stamp: str, age: int
) -> None:
    """With summer time; a missing year is the last one possible."""
    content = f"{stamp} vm x[1]: y\n"
    assert read(content, {"name": "syslog", "zone": zone})["oldest"] == NOW - age


def test_abbreviated_zone_needs_a_declared_zone(read: Callable[..., dict[str, Any]]) -> None:
    """CET and CST mean several offsets."""
    content = SERVER.replace("06:00:00.123 UTC", "06:59:00 CET") % "LOG"
    assert read(content, {"name": "postgresql", "zone": "Europe/Zagreb"})["oldest"] == NOW - 60
    assert read(content, "postgresql")["oldest"] is None


def test_times_without_any_zone_are_not_read(read: Callable[..., dict[str, Any]]) -> None:
    """An assumed zone would move the window by hours."""
    result = read(PYTHON % (10, "ERROR", "x"), "python")
    assert (result["oldest"], counts(result)) == (None, {"lines": 1})


def test_window_of_a_declared_format_uses_its_times(read: Callable[..., dict[str, Any]]) -> None:
    """Bisection finds the first line of the window in any format."""
    lines = [
        NGINX.replace("24/Nov/2026:06", f"{day}/Nov/2026:{hour:02}") % 502
        for day in range(19, 24)
        for hour in range(24)
    ]
    result = read("".join(line * 90 for line in lines), "nginx-combined")
    assert result["errors"] == 90 * 18


PATTERNS = {
    "client": [{"pattern": "^Insecure HTTP", "reason": "the client's fault"}, {"pattern": "blocked$", "reason": "r"}],
    "ignore": [{"pattern": r"(?i)deprecat", "reason": "known"}],
}


@pytest.mark.parametrize("declared", ["text", "pm2-json", "pattern"])
def test_patterns_of_the_inventory_decide_on_lines(read: Callable[..., dict[str, Any]], declared: str) -> None:
    """Client errors are counted apart, ignored lines only as ignored; other errors still count."""
    texts = ["Insecure HTTP request {", "request blocked", "DEPRECATED call", "Insecure", "lost"]
    lines = {
        "text": [f"{prefix(90 - 9 * n)}{text}\n" for n, text in enumerate(texts)],
        "pm2-json": [entry(9, "ERROR", message=text) for text in texts],
        "pattern": [f"{prefix(9)}ERROR {text}\n" for text in texts],
    }[declared]
    form = {"name": "pattern", "pattern": "^(?P<level>ERROR) (?P<message>.*)"} if declared == "pattern" else declared
    patterns = json.loads(json.dumps(PATTERNS).replace("^Insecure", "^Insecure" if declared == "text" else "Insecure"))
    patterns["client"][1]["pattern"] = "blocked"
    result = read("".join(lines), form, **patterns)
    assert counts(result) == found(5, errors=2, client_errors=2)
    assert result["ignored"] == 1


def test_lines_of_no_format_are_read_by_patterns(read: Callable[..., dict[str, Any]]) -> None:
    """A banner needs no format, nor does a warning about a client."""
    ignore = [{"pattern": "^Listening on", "reason": "banner"}]
    client = [{"pattern": "^Insecure HTTP", "reason": "console.warn"}]
    lines = f"{prefix(9)}Listening on 3000\n{prefix(9)}Insecure HTTP request\n"
    result = read(INFO + lines, "pm2-json", ignore=ignore, client=client)
    assert (counts(result), result["ignored"]) == (found(202, client_errors=1), 1)
