"""The last runs of checks, for the page of a run: verdicts and measured values."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from opsproof.history.store import ERRORS, History

RUNS = 30
"""So many earlier runs of each check are read."""
_VERDICTS = """
    SELECT runs.id, started, verdict FROM verdicts JOIN runs ON runs.id = run
     WHERE host = ? AND test = ? ORDER BY run DESC LIMIT ?
"""
_VALUES = "SELECT run, metric, value FROM measurements WHERE host = ? AND test = ? AND run >= ?"

_LINES = "SELECT id, host FROM lines WHERE inventory = ? AND cadence = ?"
_VISITS = "SELECT run FROM visits WHERE line = ? ORDER BY run DESC LIMIT ?"
_THEN = """
    SELECT test, metric, number FROM checks JOIN series ON series.check_id = checks.id
      JOIN measured ON series_id = series.id AND measured.last_run = (
           SELECT min(later.last_run) FROM measured AS later WHERE later.series_id = series.id AND later.last_run >= ?)
     WHERE line = ? AND first_run <= ? AND number IS NOT NULL
"""


@dataclass(frozen=True)
class PastRun:
    """An earlier run of a check: its start in seconds since 1970, its verdict, and the values by metric."""

    started: float
    verdict: str
    values: dict[str, float | str] = field(default_factory=dict)


@dataclass(frozen=True)
class Earlier:
    """The numbers that a host had some `runs` of a round ago, by test and metric."""

    runs: int
    values: dict[tuple[str, str], float]


def earlier(history: History, inventory: str, cadence: str) -> dict[str, Earlier]:
    """The numbers of each host 30 runs ago, or in its first run; by host."""
    found = {}
    for line, host in history.read(_LINES, (inventory, cadence)):
        visits = history.read(_VISITS, (line, RUNS))
        if visits:
            (run,) = visits[-1]
            rows = history.read(_THEN, (run, line, run))
            found[host] = Earlier(len(visits), {(test, metric): number for test, metric, number in rows})
    return found


def past(history: History, tests: Collection[tuple[str, str]]) -> dict[tuple[str, str], list[PastRun]]:
    """The last runs of each of `tests`, by host and test, the oldest first; empty without a readable history."""
    if history.complaints:
        return {}
    try:
        with history.reading() as connection:
            return {each: _past(connection, each) for each in tests}
    except ERRORS:  # the history complains of it when the run is recorded
        return {}


def _past(connection: Any, test: tuple[str, str]) -> list[PastRun]:
    rows = connection.execute(_VERDICTS, (*test, RUNS)).fetchall()
    runs = {run: PastRun(started, verdict) for run, started, verdict in reversed(rows)}
    for run, metric, value in connection.execute(_VALUES, (*test, min(runs))) if runs else ():
        if run in runs:
            runs[run].values[metric] = value
    return list(runs.values())
