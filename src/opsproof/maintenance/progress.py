"""How far a statement has come on the server, by PostgreSQL's own progress views."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from opsproof.backup.progress import EVERY_S, LINE_EVERY_S, Paced, Say

SOON_S = 0.25
"""How often it is asked at first: whom a statement waits for must be seen within the half second that some may wait."""


@dataclass(frozen=True)
class Reached:
    """A phase in the server's words, how much of it is done of a total in its own unit, and whom it waits for."""

    phase: str = ""
    done: float = 0.0
    total: float = 0.0
    waits_for: str = ""

    def __str__(self) -> str:
        share = f" {min(100, 100 * self.done / self.total):.0f} %" if self.total else ""
        waits = f": {self.waits_for}" if self.waits_for else ""
        return f"{self.phase}{share}{waits}"


def reached(printed: str) -> Reached:
    """What progress.sql printed: nothing where the statement has not begun, or has ended."""
    if not printed.strip():
        return Reached()
    said = json.loads(printed)
    return Reached(said["phase"], float(said["done"] or 0), float(said["total"] or 0), said["waits_for"] or "")


@dataclass
class Told:
    """Progress in lines, for where nobody watches: one at most every half a minute."""

    what: str
    say: Say
    last: float

    @property
    def every_s(self) -> float:
        """As often as people look, and at first more often."""
        return _pace(self.last)

    def __call__(self, done: Reached) -> None:
        """Tells what was reached, if it is time to."""
        if done.phase and time.monotonic() - self.last >= LINE_EVERY_S:
            self.last = time.monotonic()
            self.say(f"     {self.what}: {done}")


@dataclass
class Bar:
    """Progress on a terminal."""

    what: str
    progress: Progress
    task: TaskID
    began: float

    @property
    def every_s(self) -> float:
        """As often as people look, and at first more often."""
        return _pace(self.began)

    def __call__(self, done: Reached) -> None:
        """Tells what was reached."""
        said = f"{self.what}: {done}" if done.phase else self.what
        self.progress.update(self.task, description=said, total=done.total or None, completed=done.done)


@contextmanager
def telling(what: str, say: Say, *, quiet: bool) -> Iterator[Paced[Reached]]:
    """A function that is told what was reached: a bar on a terminal, else lines."""
    if quiet or not sys.stdout.isatty():
        yield Told(what, say, time.monotonic())
        return
    columns = (TextColumn("  {task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, transient=True) as bar:
        yield Bar(what, bar, bar.add_task(what, total=None), time.monotonic())


def _pace(since: float) -> float:
    return SOON_S if time.monotonic() - since < EVERY_S else EVERY_S
