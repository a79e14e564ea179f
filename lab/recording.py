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
            for table, column in (("readings", "run"), ("runs", "id")):
                history.executemany(f"DELETE FROM {table} WHERE {column} = ?", [(run,) for run in runs])


@contextmanager
def backdated(lab: Lab, resource: str, days: float) -> Iterator[None]:
    """Makes all recorded counters of a resource older."""
    query = """
        UPDATE readings SET taken = taken + ?
         WHERE taken < ? AND counter_id IN (SELECT id FROM counters WHERE host = 'lab' AND resource = ?)
    """
    with closing(sqlite3.connect(lab.layout.reports / "history.sqlite")) as history:
        began, by_s = time.time(), days * 86_400
        with history:
            history.execute(query, (-by_s, began, resource))
        yield
        with history:
            history.execute(query, (by_s, began - by_s, resource))


def _add_round(history: sqlite3.Connection, taken: float, resource: str, metric: str, value: float) -> int | None:
    run = history.execute("INSERT INTO runs (started, inventory, cadence) VALUES (?, 'earlier', 'daily')", (taken,))
    add_reading(history, int(run.lastrowid or 0), (resource, metric), (value, 0.0, taken))
    return run.lastrowid


def add_reading(
    history: sqlite3.Connection, run: int, counter: tuple[str, str], reading: tuple[float, float, float]
) -> None:
    """Adds a sample to the history of the proof: resource and metric; value, begin of counting, and time."""
    history.execute("INSERT OR IGNORE INTO counters (host, resource, metric) VALUES ('lab', ?, ?)", counter)
    value, born, taken = reading
    query = (
        "INSERT INTO readings SELECT id, ?, ?, ?, ? FROM counters WHERE host = 'lab' AND resource = ? AND metric = ?"
    )
    history.execute(query, (taken, run, value, born, *counter))
