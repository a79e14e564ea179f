"""Processes of the machine, from /proc."""

import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from lab.errors import LabError
from lab.waiting import wait_until

PROC = Path("/proc")
DEAD = "ZX"
HALTED = "TtZX"
STARTED = 19
"""Position of the start time among the fields after the name."""


def pids() -> Iterator[int]:
    """All process ids."""
    return (int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit())


def parent(pid: int) -> int:
    """The parent of a process; 0 if the process does not exist."""
    return int(_stat(pid)[1])


def descendants(roots: Iterable[int]) -> set[int]:
    """The processes `roots` with all their descendants."""
    parents = {pid: parent(pid) for pid in pids()}
    found = set(roots)
    while more := {pid for pid, above in parents.items() if above in found} - found:
        found |= more
    return found


def state(pid: int) -> str:
    """The state of a process as a letter; X if the process does not exist."""
    return _stat(pid)[0]


def started(pid: int) -> str:
    """The start of a process in ticks since the machine's boot; with the id, identifies the process. Empty if gone."""
    fields = _stat(pid)
    return fields[STARTED] if len(fields) > STARTED else ""


def is_alive(pid: int) -> bool:
    """Whether a process exists and is not a zombie."""
    return pid > 0 and state(pid) not in DEAD


def makes_progress(pid: int) -> bool:
    """Whether a process is alive and not halted by a signal."""
    return pid > 0 and state(pid) not in HALTED


def command(pid: int) -> str:
    """The command line of a process; empty if unreadable."""
    return _read(pid, "cmdline").replace("\0", " ").strip()


def environment(pid: int) -> list[str]:
    """The NAME=value pairs a process was started with; empty if unreadable."""
    return _read(pid, "environ").split("\0")


def folder(pid: int) -> Path | None:
    """The working directory of a process; None if unreadable."""
    try:
        return (PROC / str(pid) / "cwd").readlink()
    except OSError:
        return None


def end(targets: Iterable[int], patience_s: float = 3.0) -> None:
    """Ends processes and waits: SIGTERM first, SIGKILL after `patience_s`."""
    left = [pid for pid in targets if is_alive(pid)]
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in left:
            _signal(pid, number)
            _signal(pid, signal.SIGCONT)
        left = _wait(left, patience_s)


def _wait(targets: list[int], patience_s: float) -> list[int]:
    """The processes still alive after `patience_s`."""
    with suppress(LabError):
        wait_until(lambda: not any(map(is_alive, targets)), "the processes end", patience_s, every_s=0.02)
    return [pid for pid in targets if is_alive(pid)]


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _stat(pid: int) -> list[str]:
    """The fields of a process after its name: state, parent and more."""
    return _read(pid, "stat").rpartition(")")[2].split() or ["X", "0"]


def _read(pid: int, name: str) -> str:
    try:
        return (PROC / str(pid) / name).read_text(errors="replace")
    except OSError:
        return ""
