"""Rows of the proof, a fault each, appended by several processes and runs."""

import fcntl
import json
import os
import textwrap
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import BinaryIO

WIDTH = 120
VERDICTS = ("failed", "unknown", "warned")
"""Verdicts of a broken check, worst first."""


@dataclass(frozen=True)
class Row:
    """A fault of a lab, and the worst verdict of each changed check or test.

    `outcome` is ``as named`` or ``surprised``; `note` explains a surprise. `alone`: no other fault was broken at the
    same time. `at` is the time of writing, in seconds since 1970.
    """

    lab: str
    fault: str
    changed: dict[str, str]
    named: frozenset[str]
    seconds: float
    outcome: str
    note: str
    alone: bool
    at: float = field(default_factory=time.time)


def write(path: Path, rows: Iterable[Row]) -> None:
    """Appends rows under a lock, so that concurrent writers keep each line whole."""
    lines = "".join(json.dumps({**asdict(row), "named": sorted(row.named)}) + "\n" for row in rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write((b"" if _ends_line(file) else b"\n") + lines.encode())


def read(paths: Iterable[Path]) -> list[Row]:
    """The newest row per lab and fault; skips a line cut short by a killed writer."""
    newest: dict[tuple[str, str], Row] = {}
    for row in (row for path in paths for row in _rows(path)):
        key = row.lab, row.fault
        if key not in newest or newest[key].at <= row.at:
            newest[key] = row
    return sorted(newest.values(), key=lambda row: (row.lab, row.fault))


def text(rows: Iterable[Row]) -> str:
    """The matrix for a terminal: fault, duration and every changed check, wrapped at 120 columns."""
    return "\n".join(line for row in rows for line in _lines(row))


def check(test: str) -> str:
    """A test's name without its parameter."""
    return test.partition("[")[0]


def worst(verdicts: Iterable[str]) -> str:
    """The worst of some verdicts."""
    return min(verdicts, key=VERDICTS.index)


def by_check(row: Row) -> dict[str, dict[str, str]]:
    """Changed tests and their verdicts, by check."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for test, verdict in row.changed.items():
        found[check(test)][test] = verdict
    return dict(sorted(found.items()))


def _ends_line(file: BinaryIO) -> bool:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - 1, 0))
    return file.read() in (b"", b"\n")


def _rows(path: Path) -> Iterator[Row]:
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            said = json.loads(line)
        except ValueError:
            continue
        yield Row(**{**said, "named": frozenset(said["named"])})


def _lines(row: Row) -> Iterator[str]:
    flags = [*(["alone"] if row.alone else []), *([] if row.outcome == "as named" else [row.outcome])]
    yield from _wrapped(f"{row.seconds:7.1f} s  {row.fault}" + (f" ({', '.join(flags)})" if flags else ""), " " * 11)
    for verdict in VERDICTS:
        names = [_short(tests) for tests in by_check(row).values() if worst(tests.values()) == verdict]
        if names:
            yield from _wrapped(f"{'':11}{verdict:8}{', '.join(names)}", " " * 19)
    if not row.changed:
        yield " " * 11 + "nothing changed"
    if row.note:
        yield from _wrapped(" " * 11 + row.note, " " * 11)


def _short(tests: dict[str, str]) -> str:
    """A single test by its full name, several tests by check and count."""
    first, *more = tests
    return f"{check(first)} ({len(tests)})" if more else first


def _wrapped(line: str, indent: str) -> list[str]:
    return textwrap.wrap(
        line, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False, drop_whitespace=True
    )
