"""The steps of actions on logs: rotate, compress, remove, empty."""

import json
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from opsproof.action import Step, Work
from opsproof.core.units import show
from opsproof.inventory.resources import Log
from opsproof.logfiles.state import LogState, Rotated, command, look, pm2_home

CHANGING_TIMEOUT_S = 60.0
COMPRESSED_BYTES_A_SECOND = 2_000_000
"""The slowest that a host is thought to be, so that compressing is not given up too early."""
SPARE_BYTES = 1_000_000
"""What compressing leaves free beside the room for a file that does not become smaller."""


def is_full(log: LogState) -> bool:
    """Whether there is anything to rotate."""
    return log.current is not None and log.current.size_bytes > 0


def rotate(work: Work, logs: Sequence[LogState]) -> Iterator[Step]:
    """One step for all that is to be rotated, and what a killed run left open: PM2 reopens all its files at once."""
    due = [log for log in logs if is_full(log) or log.held]
    if due:
        what = ", ".join(f"rotate {_sized(log)}" if is_full(log) else f"reopen {log.name}" for log in due)
        words = (pm2_home(work.host), *(log.path for log in due))
        yield Step(f"{what}; what PM2 runs is halted for a moment meanwhile", partial(_do, work, "rotate", *words))


def _sized(log: LogState) -> str:
    return f"{log.name} ({show(log.current.size_bytes if log.current else 0, 'bytes')})"


def compress(work: Work, log: LogState, declared: Log, *, rotated: bool) -> Iterator[Step]:
    """One step for all rotated files of a log, where there are any, or where it is `rotated` just before."""
    size_bytes = log.current.size_bytes if rotated and log.current else 0
    sizes = [each.size_bytes for each in log.plain if has_room(log, each.size_bytes)]
    if size_bytes and has_room(log, size_bytes):
        sizes.append(size_bytes)
    if sizes:
        files = f"{len(sizes)} rotated file{'s'[: len(sizes) > 1]}"
        title = f"compress {files} of {log.name} ({show(sum(sizes), 'bytes')})"
        yield Step(title, partial(_compress_all, work, declared))


def has_room(log: LogState, size_bytes: int) -> bool:
    """Whether a file of that size can be compressed even if that does not make it smaller."""
    return size_bytes + SPARE_BYTES < log.free_bytes


def _compress_all(work: Work, declared: Log) -> None:
    """The smallest first: each makes room for the next."""
    (log,) = look(work, [declared]).logs
    for file in sorted(log.plain, key=lambda each: each.size_bytes):
        _compress(work, file)


def _compress(work: Work, file: Rotated) -> None:
    timeout_s = CHANGING_TIMEOUT_S + 2 * file.size_bytes / COMPRESSED_BYTES_A_SECOND
    size_bytes = _change(work, "compress", file.path, timeout_s=timeout_s)["bytes"]
    before = f"{file.name}: {show(file.size_bytes, 'bytes')}"
    work.say(
        f"     {before}, not compressed: no room"
        if size_bytes is None
        else f"     {before} became {show(size_bytes, 'bytes')}"
    )


def remove(work: Work, log: LogState, keep_s: float, now: float) -> Iterator[Step]:
    """One step for the rotated files of a log that are past their time by then, and what a killed action left."""
    old = [each for each in log.files if now - each.modified > keep_s]
    paths = [*(each.path for each in old), *log.left]
    if paths:
        names = ", ".join(path.rpartition("/")[2] for path in paths)
        why = f"older than {show(keep_s, 'seconds')}, {show(sum(each.size_bytes for each in old), 'bytes')}"
        title = f"remove {names} ({why if old else 'left by a killed action'})"
        yield Step(title, partial(_do, work, "remove", str(int(keep_s)), *paths))


def empty(work: Work, log: LogState) -> Iterator[Step]:
    """One step that empties the current file, where it holds something; says what is lost."""
    if log.current and log.current.size_bytes:
        lost = f"{show(log.current.size_bytes, 'bytes')} in {log.current.lines} lines are lost"
        yield Step(f"empty {log.name}: {lost}, and what is written until then", partial(_empty, work, log))


def _empty(work: Work, log: LogState) -> None:
    lost = _change(work, "empty", log.path)["bytes"]
    work.say(f"     {log.name}: {show(lost, 'bytes')} are gone")


def _do(work: Work, program: str, *words: str) -> None:
    _change(work, program, *words)


def _change(work: Work, program: str, *words: str, timeout_s: float = CHANGING_TIMEOUT_S) -> dict[str, Any]:
    answer = work.do(command(work.host, program, *words, timeout_s=timeout_s), f"{program}.pl")
    found: dict[str, Any] = json.loads(answer.stdout)
    return found
