"""A week of the shop's logs, rotated by logrotate with dateext."""

import gzip
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

DAY = timedelta(days=1)
ROTATED_AGO = timedelta(hours=1)
"""Age of the last rotation. Not at midnight: a lab running past midnight would keep a file beyond a week."""
DAYS = 7
EVERY = timedelta(minutes=2)
Line = Callable[[datetime], str]


def _python(name: str, text: str) -> Line:
    return lambda at: f"{at:%Y-%m-%d %H:%M:%S},000 INFO {name}: {text}\n"


def _access(at: datetime) -> str:
    return f'10.214.77.1 - - [{at:%d/%b/%Y:%H:%M:%S} +0000] "GET /orders HTTP/1.1" 200 17 "-" "curl/7.88.1"\n'


def _postgresql(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}.000 UTC [611] LOG:  checkpoint starting: time\n"


LINES: dict[str, Line] = {
    "shop/shop": _python("shop", "GET /orders 200"),
    "shop/courier": _python("courier", "waiting"),
    "shop/digest": _python("digest", "12 orders in an hour"),
    "nginx/access": _access,
    "postgresql/postgresql-15-main": _postgresql,
    "postgresql/postgresql-15-archive": _postgresql,
}


def write(logs: Path) -> None:
    """Replaces the rotated files in the folder of logs, and the lines of the current files by an hour up to now."""
    now = datetime.now(UTC).replace(microsecond=0)
    rotated = now - ROTATED_AGO
    for name, line in LINES.items():
        current = logs / f"{name}.log"
        for old in current.parent.glob(f"{current.name}-*.gz"):
            old.unlink()
        for age in range(DAYS):
            end = rotated - age * DAY
            _pack(logs / f"{name}.log-{end:%Y%m%d}.gz", _span(line, end - DAY, end), end, current)
        with current.open("r+") as file:  # the kernel refuses to create another user's file in a shared folder
            file.truncate()
            file.write(_span(line, rotated, now))


def _span(line: Line, start: datetime, end: datetime) -> str:
    return "".join(line(start + number * EVERY) for number in range(int((end - start) / EVERY)))


def _pack(path: Path, text: str, end: datetime, current: Path) -> None:
    """Writes a rotated file with the owner and the mode of the current one."""
    with gzip.open(path, "wt", compresslevel=1) as file:
        file.write(text)
    said = current.stat()
    os.chown(path, said.st_uid, said.st_gid)
    path.chmod(said.st_mode & 0o777)
    os.utime(path, 2 * (end.timestamp(),))
