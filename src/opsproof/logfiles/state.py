"""State of declared logs on the host: current files, rotated files, and writing processes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from opsproof.action import Work
from opsproof.core import scripts
from opsproof.core.errors import InventoryError, OutputError, Refused
from opsproof.inventory.hosts import Host
from opsproof.inventory.logs import Log
from opsproof.transport.shell import Answer, Command, argv

LOOKING_TIMEOUT_S = 60.0
DEFAULT_LIMIT_S = 7 * 86400.0
EARLY_S = 4 * 3600.0
"""Files expire this long before the limit of rotated_age, which has two hours to spare: a daily run must remove a file
that is a week old, an hour more or less (daylight saving time)."""


@dataclass(frozen=True)
class Current:
    """The current file of a log; `lines` is None unless counted, `writers` are process IDs."""

    size_bytes: int
    lines: int | None
    writers: tuple[int, ...]


@dataclass(frozen=True)
class Rotated:
    """A rotated file; `packed`: gzip by content, not by name; `modified`: seconds since 1970.

    `ours`: named as rotate_logs.py and pm2-logrotate do; other programs find their files by names, which compression
    would change. `sure`: not maybe of another log, as app.8080.log beside app.log.
    """

    path: str
    size_bytes: int
    modified: float
    packed: bool
    ours: bool
    sure: bool
    writers: tuple[int, ...]

    @property
    def name(self) -> str:
        """The file name without the folder."""
        return PurePosixPath(self.path).name

    @property
    def in_use(self) -> bool:
        """Whether a process writes to a file of another program, which no action of PM2 makes it close."""
        return bool(self.writers) and not self.ours


@dataclass(frozen=True)
class LogState:
    """One log; `held`: PM2 still writes to a renamed or removed file; `left`: leftover paths of a killed action.

    `odd`: paths of symbolic links and of entries that are no files. Renaming or compressing a link leaves its target.
    """

    path: str
    current: Current | None
    held: bool
    files: tuple[Rotated, ...]
    left: tuple[str, ...]
    odd: tuple[str, ...]
    free_bytes: int

    @property
    def name(self) -> str:
        """The file name without the folder."""
        return PurePosixPath(self.path).name

    @property
    def plain(self) -> list[Rotated]:
        """The rotated files to compress."""
        return [each for each in self.files if each.ours and not each.packed]

    def expired(self, retention_s: float, now: float) -> list[Rotated]:
        """The files to remove: surely this log's, and older than the retention by the host's clock `now`."""
        return [each for each in self.files if each.sure and not each.in_use and now - each.modified > retention_s]


@dataclass(frozen=True)
class Logs:
    """The logs of an action; `daemon` is the process ID of the PM2 daemon, or None if not running.

    `now` is the host's clock in seconds since 1970.
    """

    now: float
    daemon: int | None
    logs: tuple[LogState, ...]


def select(host: Host, names: Sequence[str]) -> dict[str, Log]:
    """The declared logs called `names`; all logs if `names` is empty.

    Raises:
        InventoryError: a name is not declared, or the host declares no logs.
    """
    if unknown := set(names) - set(host.logs):
        known = ", ".join(host.logs) or "none"
        raise InventoryError(f"{host.name} declares no log {', '.join(sorted(unknown))}: choose {known}")
    if not host.logs:
        raise InventoryError(f"{host.name} declares no logs")
    return {name: log for name, log in host.logs.items() if name in names or not names}


def read_logs(work: Work, logs: Sequence[Log], *, count_lines: bool = False) -> Logs:
    """The state of `logs` on the host, in one round trip.

    Raises:
        Refused: a log is a symbolic link or no file.
        MeasurementError: the host did not answer, or a command failed.
    """
    host, paths = work.host, [log.path for log in logs]
    folders = [argv("df", "--block-size=1", "--output=avail", "--", str(PurePosixPath(path).parent)) for path in paths]
    words = (pm2_home(host), str(int(count_lines)), *paths)
    said, *free = work.ask(command(host, "state", *words, timeout_s=LOOKING_TIMEOUT_S), *folders)
    try:
        found = _logs(json.loads(said.require("state.pl").stdout), host, paths, free)
    except (ValueError, LookupError, TypeError) as error:
        raise OutputError(f"{host.name}: the state of its logs cannot be read: {error}") from error
    for path in (path for log in found.logs for path in log.odd):
        raise Refused(f"{path} is a symbolic link or no file: declare the path of the file itself")
    return found


def pm2_home(host: Host) -> str:
    """PM2_HOME of the PM2 that writes the logs.

    Raises:
        InventoryError: pm2 is not declared.
    """
    if host.pm2 is None:
        raise InventoryError(f"{host.name} declares no pm2: add a pm2 table with home")
    return host.pm2.home


def retention_s(host: Host, log: Log) -> float:
    """Retention of rotated files in seconds: slightly less than the limit of rotated_age, by default 7 days."""
    limit = host.limit("rotated_age", log)
    bounds = limit.must if limit and isinstance(limit.must, tuple) else ()
    limit_s = next((bound.value for bound in bounds if bound.sign.startswith("<")), DEFAULT_LIMIT_S)
    return max(limit_s - EARLY_S, limit_s / 2)


def command(host: Host, program: str, *words: str, timeout_s: float) -> Command:
    """A command that runs a program of logfiles/host as the application's user."""
    return argv("perl", "-e", _script(program), "--", *words, timeout_s=timeout_s, user=host.run_as)


def _logs(found: dict[str, Any], host: Host, paths: list[str], free: list[Answer]) -> Logs:
    """The logs; a rotated file whose path is declared is a log of its own."""
    declared = {log.path for log in host.logs.values()}
    states = zip(found["logs"], paths, free, strict=True)
    logs = tuple(_state(entry, path, declared, _free(df)) for entry, path, df in states)
    return Logs(float(found["now"]), found["daemon"], logs)


def _free(answer: Answer) -> int:
    return int(answer.require("df").stdout.splitlines()[1])


def _state(entry: dict[str, Any], path: str, declared: set[str], free_bytes: int) -> LogState:
    folder = PurePosixPath(path).parent
    current = entry["current"]
    files = [_rotated(each, folder) for each in entry["files"]]
    return LogState(
        path=path,
        current=current and Current(current["bytes"], current["lines"], tuple(current["writers"])),
        held=entry["held"],
        files=tuple(each for each in files if each.path not in declared),
        left=tuple(str(folder / name) for name in entry["left"]),
        odd=tuple(str(folder / name) for name in entry["odd"]),
        free_bytes=free_bytes,
    )


def _rotated(entry: dict[str, Any], folder: PurePosixPath) -> Rotated:
    path, size_bytes, modified = str(folder / entry["name"]), entry["bytes"], float(entry["modified"])
    packed, ours, sure = entry["packed"], entry["ours"], entry["sure"]
    return Rotated(path, size_bytes, modified, packed, ours, sure, tuple(entry["writers"]))


def _script(program: str) -> str:
    """A program joined from its parts; the order matters."""
    daemon = ["facts/pm2_daemon"] if program == "rotate" else []
    return scripts.perl("facts/json_text", *daemon, "facts/rotated_names", "logfiles/writers", f"logfiles/{program}")
