"""How far a statement has come on the server, by PostgreSQL's own progress views."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from opsproof.backup.progress import LINE_EVERY_S, Say


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

    def __call__(self, now: Reached) -> None:
        """Tells what was reached, if it is time to."""
        if now.phase and time.monotonic() - self.last >= LINE_EVERY_S:
            self.last = time.monotonic()
            self.say(f"     {self.what}: {now}")


@contextmanager
def telling(what: str, say: Say, *, quiet: bool) -> Iterator[Callable[[Reached], None]]:
    """A function that is told what was reached: a bar on a terminal, else lines."""
    if quiet or not sys.stdout.isatty():
        yield Told(what, say, time.monotonic())
        return
    columns = (TextColumn("  {task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda now: bar.update(
            task, description=f"{what}: {now}" if now.phase else what, total=now.total or None, completed=now.done
        )
