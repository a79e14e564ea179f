"""Rounds that record the baseline of later rounds."""

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager

from lab.errors import LabError
from lab.instance import Lab
from lab.layout import REPOSITORY


def record_round(lab: Lab, checks: str) -> None:
    """Runs a file of checks and records the round with the proof's rounds; LabError if the round aborts."""
    inventory = lab.inventory(lab.home / "record.toml")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", checks, f"--inventory={inventory}", f"--reports={lab.layout.reports}"],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    inventory.unlink()
    if done.returncode not in (0, 1, 6):
        raise LabError(f"round aborted: {done.stdout.strip()[-300:]}")


@contextmanager
def earlier_samples(lab: Lab, resource: str, metric: str, values: Mapping[float, float]) -> Iterator[None]:
    """Adds rounds to the history of the proof, with a counter's value by the age of the round in days."""
    now = time.time()
    with closing(sqlite3.connect(lab.layout.reports / "history.sqlite")) as history:
        with history:
            runs = [_add_round(history, now - days * 86_400, resource, metric, value) for days, value in values.items()]
        yield
        with history:
            for table, column in (("samples", "run"), ("runs", "id")):
                history.executemany(f"DELETE FROM {table} WHERE {column} = ?", [(run,) for run in runs])


@contextmanager
def backdated(lab: Lab, resource: str, days: float) -> Iterator[None]:
    """Makes all recorded counters of a resource older."""
    query = "UPDATE samples SET taken = taken + ? WHERE host = 'lab' AND resource = ? AND taken < ?"
    with closing(sqlite3.connect(lab.layout.reports / "history.sqlite")) as history:
        began, by_s = time.time(), days * 86_400
        with history:
            history.execute(query, (-by_s, resource, began))
        yield
        with history:
            history.execute(query, (by_s, resource, began - by_s))


def _add_round(history: sqlite3.Connection, taken: float, resource: str, metric: str, value: float) -> int | None:
    run = history.execute("INSERT INTO runs (started, inventory, cadence) VALUES (?, 'earlier', 'daily')", (taken,))
    row = (run.lastrowid, "lab", resource, metric, value, 0.0, taken)
    history.execute("INSERT INTO samples VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    return run.lastrowid
