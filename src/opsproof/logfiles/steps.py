"""Plan steps for logs: rotate, compress, remove, empty."""

import json
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from opsproof.action import Step, Work
from opsproof.core.units import show
from opsproof.inventory.logs import Log
from opsproof.logfiles.state import LogState, Rotated, command, pm2_home, read_logs

CHANGING_TIMEOUT_S = 60.0
COMPRESSED_BYTES_A_SECOND = 2_000_000
"""Lowest assumed speed of gzip, for the timeout."""
SPARE_BYTES = 1_000_000
"""Free bytes to keep when a file does not shrink."""


def is_full(log: LogState) -> bool:
    """Whether the log has content to rotate."""
    return log.current is not None and log.current.size_bytes > 0


def rotate(work: Work, logs: Sequence[LogState]) -> Iterator[Step]:
    """A step for all logs to rotate or to reopen after a killed run: PM2 reopens all files at once."""
    due = [log for log in logs if is_full(log) or log.held]
    if due:
        tasks = ", ".join(f"rotate {_sized(log)}" if is_full(log) else f"reopen {log.name}" for log in due)
        words = (pm2_home(work.host), *(log.path for log in due))
        yield Step(f"{tasks}; PM2's processes pause briefly", partial(_do, work, "rotate", *words))


def _sized(log: LogState) -> str:
    return f"{log.name} ({show(log.current.size_bytes if log.current else 0, 'bytes')})"


def compress(work: Work, log: LogState, declared: Log, *, rotated: bool) -> Iterator[Step]:
    """A step for all plain rotated files of a log, including the file about to be `rotated`."""
    size_bytes = log.current.size_bytes if rotated and log.current else 0
    sizes = [each.size_bytes for each in log.plain if has_room(log, each.size_bytes)]
    if size_bytes and has_room(log, size_bytes):
        sizes.append(size_bytes)
    if sizes:
        files = f"{len(sizes)} rotated file{'s'[: len(sizes) > 1]}"
        title = f"compress {files} of {log.name} ({show(sum(sizes), 'bytes')})"
        yield Step(title, partial(_compress_all, work, declared))


def has_room(log: LogState, size_bytes: int) -> bool:
    """Whether the disk has space to compress a file even if it does not shrink."""
    return size_bytes + SPARE_BYTES < log.free_bytes


def _compress_all(work: Work, declared: Log) -> None:
    """Smallest first: each compressed file frees space for the next."""
    (log,) = read_logs(work, [declared]).logs
    for file in sorted(log.plain, key=lambda each: each.size_bytes):
        _compress(work, file)


def _compress(work: Work, file: Rotated) -> None:
    timeout_s = CHANGING_TIMEOUT_S + 2 * file.size_bytes / COMPRESSED_BYTES_A_SECOND
    size_bytes = _change(work, "compress", file.path, timeout_s=timeout_s)["bytes"]
    before = f"{file.name}: {show(file.size_bytes, 'bytes')}"
    work.say(
        f"     {before}, not compressed: disk full"
        if size_bytes is None
        else f"     {before}, compressed to {show(size_bytes, 'bytes')}"
    )


def remove(work: Work, log: LogState, retention_s: float, now: float) -> Iterator[Step]:
    """A step for the expired rotated files of a log, and for leftovers of a killed action."""
    old = log.expired(retention_s, now)
    paths = [*(each.path for each in old), *log.left]
    if paths:
        names = ", ".join(path.rpartition("/")[2] for path in paths)
        why = f"older than {show(retention_s, 'seconds')}, {show(sum(each.size_bytes for each in old), 'bytes')}"
        title = f"remove {names} ({why if old else 'left by a killed action'})"
        yield Step(title, partial(_do, work, "remove", str(int(retention_s)), log.path, *paths))


def name_left(work: Work, log: LogState, retention_s: float, now: float) -> None:
    """Names the files that end no finding here, with what to do."""
    old = [each for each in log.files if now - each.modified > retention_s]
    if doubtful := [each.name for each in old if not each.sure]:
        work.say(f"{log.name}: {', '.join(doubtful)} may belong to another log: declare that log, or remove the file")
    for each in old:
        if each.sure and each.in_use:
            work.say(f"{log.name}: process {min(each.writers)} still writes to {each.name}: have it reopen its log")
    if plain := [each.name for each in log.files if not each.ours and not each.packed]:
        work.say(f"{log.name}: {', '.join(plain)} not compressed: set compression in the program that rotates the log")


def empty(work: Work, log: LogState) -> Iterator[Step]:
    """A step that truncates the current file unless empty; the title lists the loss."""
    if log.current and log.current.size_bytes:
        lost = f"{show(log.current.size_bytes, 'bytes')} in {log.current.lines} lines are lost"
        yield Step(f"empty {log.name}: {lost}, plus lines written until then", partial(_empty, work, log))


def _empty(work: Work, log: LogState) -> None:
    lost = _change(work, "empty", log.path)["bytes"]
    work.say(f"     {log.name}: {show(lost, 'bytes')} deleted")


def _do(work: Work, program: str, *words: str) -> None:
    _change(work, program, *words)


def _change(work: Work, program: str, *words: str, timeout_s: float = CHANGING_TIMEOUT_S) -> dict[str, Any]:
    answer = work.do(command(work.host, program, *words, timeout_s=timeout_s), f"{program}.pl")
    found: dict[str, Any] = json.loads(answer.stdout)
    return found
