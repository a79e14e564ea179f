"""Progress of a statement, from PostgreSQL's progress views."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.progress import BarColumn, TextColumn, TimeElapsedColumn

from opsproof.action import progress

SOON_S = 0.25
"""First polling interval: short enough to see the blocker during a half-second wait for a lock."""


@dataclass(frozen=True)
class Reached:
    """Phase of a statement, work done and total in the phase's own unit, and the process that blocks the statement."""

    phase: str = ""
    done: float = 0.0
    total: float = 0.0
    waits_for: str = ""

    def __str__(self) -> str:
        share = f" {min(100, 100 * self.done / self.total):.0f} %" if self.total else ""
        waits = f": {self.waits_for}" if self.waits_for else ""
        return f"{self.phase}{share}{waits}"


def reached(printed: str) -> Reached:
    """Parses the output of progress.sql; an empty result if the statement has not begun or has ended."""
    if not printed.strip():
        return Reached()
    said = json.loads(printed)
    return Reached(said["phase"], float(said["done"] or 0), float(said["total"] or 0), said["waits_for"] or "")


@contextmanager
def reporting_phases(task: str, say: progress.Say, *, quiet: bool) -> Iterator[progress.ProgressReport[Reached]]:
    """Reports the phases of a statement."""
    began = time.monotonic()

    def pace() -> float:
        return SOON_S if time.monotonic() - began < progress.BAR_EVERY_S else progress.BAR_EVERY_S

    def fields(now: Reached) -> dict[str, object]:
        text = f"{task}: {now}" if now.phase else task
        return {"description": text, "total": now.total or None, "completed": now.done}

    columns = (TextColumn("  {task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    look = progress.Look[Reached](
        lambda now: f"     {task}: {now}" if now.phase else "", fields, columns, line_pace=pace, bar_pace=pace
    )
    with progress.reporting(task, look, say, quiet=quiet) as report:
        yield report
