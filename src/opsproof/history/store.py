"""The history: verdicts, measured values and counter samples of every run, in a SQLite file or in PostgreSQL.

Errors of the history are kept in `complaints`; a run continues without history.
"""

import re
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from opsproof.core.counters import Counter
from opsproof.core.deployments import RoundSample
from opsproof.core.errors import DatabaseError
from opsproof.core.verdicts import Verdict
from opsproof.history.aging import sum_up
from opsproof.history.file import HistoryFile
from opsproof.history.recording import Row, add_results, add_run, results
from opsproof.history.server import PostgresHistory

FILE = "history.sqlite"
"""The name of the history in the folder of reports."""
ERRORS = (sqlite3.Error, OSError, UnicodeError, DatabaseError)
"""The errors of reading and writing a history."""
SELECTED = "selected"
"""The round of a run whose selection paths or -k narrow."""
_AT_ONCE = 500
"""Names in a query: SQLite may allow no more than 999."""


def place_of(reports: Path, given: str | None = None) -> Path | str:
    """The history of a folder of reports: the URL `given`, else a file in the folder."""
    return given or reports / FILE


def shown(place: Path | str) -> str:
    """A history for people: a URL without password and parameters; other words for a server may contain a password."""
    if isinstance(place, Path):
        return str(place)
    is_url = place.startswith(("postgresql://", "postgres://"))
    return re.sub(r"//([^:@/]*):.*@", r"//\1@", place).partition("?")[0] if is_url else "in PostgreSQL"


@dataclass(frozen=True)
class Streak:
    """The number of consecutive runs in which a check was failed or unknown, and the start of the first of them."""

    runs: int
    since: float


@dataclass(frozen=True)
class UnknownRuns:
    """The runs in which a check has been unknown since its last other verdict.

    `first` is the start of the first run, `first_round` and `last_round` without runs of selected checks.
    """

    first: float
    first_round: float | None
    last_round: float | None


_STREAK = """
    WITH spans AS (
        SELECT line, first_run, last_run, verdict IN ('failed', 'unknown') AS is_bad FROM lines
          JOIN checks ON checks.line = lines.id JOIN judged ON check_id = checks.id WHERE host = ? AND test = ?
    ), good AS (SELECT coalesce(max(last_run), 0) AS run FROM spans WHERE NOT is_bad)
    SELECT count(*), min(visits.run) FROM good JOIN spans ON is_bad AND last_run > good.run
      JOIN visits ON visits.line = spans.line AND visits.run BETWEEN first_run AND last_run AND visits.run > good.run
"""
_LAST_RUN = """
    WITH last AS (
        SELECT lines.id AS line, (SELECT max(run) FROM visits WHERE line = lines.id) AS run FROM lines
         WHERE inventory = ? AND cadence = ?
    )
    SELECT test, verdict FROM last JOIN checks ON checks.line = last.line
      JOIN judged ON check_id = checks.id AND last_run = run
"""
_ROUND_SAMPLES = """
    SELECT value, born, taken, cadence FROM readings JOIN runs ON runs.id = run
     WHERE counter_id = ? AND taken >= coalesce((SELECT max(taken) FROM readings WHERE counter_id = ? AND taken < ?), ?)
     ORDER BY taken, run
"""
_UNKNOWN_SPANS = """
    SELECT line, cadence, first_run, last_run, verdict = 'unknown' OR unknown_since IS NOT NULL AS is_unknown FROM lines
      JOIN checks ON checks.line = lines.id JOIN judged ON check_id = checks.id
     WHERE host = ? AND test = ? AND inventory IN ({})
"""


@dataclass
class History:
    """The history in the file at `path`, or in the database at a URL; `complaints` holds its errors."""

    path: Path | str
    complaints: list[str] = field(default_factory=list)
    unrecorded: bool = False
    """Whether a run could not be recorded."""

    def __post_init__(self) -> None:
        self._place = PostgresHistory(self.path) if isinstance(self.path, str) else HistoryFile(self.path)

    def samples(self, host: str, resource: str, metric: str, since: float) -> list[Counter]:
        """The samples of a counter taken since `since`, and the newest sample before."""
        return [each.counter for each in self.round_samples(host, resource, metric, since)]

    def round_samples(self, host: str, resource: str, metric: str, since: float) -> list[RoundSample]:
        """The samples of a counter taken since `since`, and the newest sample before, with their rounds."""
        found = []
        for (key,) in self._counters(host, resource, metric):
            found = self.read(_ROUND_SAMPLES, (key, key, since, since))
        return [RoundSample(Counter(*row), cadence) for *row, cadence in found]

    def last_sample(self, host: str, resource: str, metric: str) -> Counter | None:
        """The newest sample of a counter; None without any sample."""
        query = "SELECT value, born, taken FROM readings WHERE counter_id = ? ORDER BY taken DESC, run DESC LIMIT 1"
        keys = self._counters(host, resource, metric)
        return next((Counter(*row) for (key,) in keys for row in self.read(query, (key,))), None)

    def _counters(self, *name: str) -> list[tuple[int]]:
        return self.read("SELECT id FROM counters WHERE host = ? AND resource = ? AND metric = ?", name)

    def readings(self, host: str, resource: str, names: Collection[str]) -> dict[str, list[Counter]]:
        """All samples of each of `names`, the oldest first."""
        found: dict[str, list[Counter]] = {name: [] for name in names}
        ordered = list(names)
        for start in range(0, len(ordered), _AT_ONCE):
            some = ordered[start : start + _AT_ONCE]
            query = (
                "SELECT metric, value, born, taken FROM counters JOIN readings ON counter_id = counters.id "  # noqa: S608
                f"WHERE host = ? AND resource = ? AND metric IN ({_places(some)}) ORDER BY counter_id, taken, run"
            )
            for name, *reading in self.read(query, (host, resource, *some)):
                found[name].append(Counter(*reading))
        return found

    def last_run(self, inventory: str, cadence: str) -> dict[str, str]:
        """The verdict of each test in the last run of the same round on its host; empty without an earlier run."""
        return dict(self.read(_LAST_RUN, (inventory, cadence)))

    def last_start(self, inventory: str, cadence: str) -> float | None:
        """The start of the last run of a round, in seconds since 1970; None without an earlier run."""
        query = "SELECT started FROM runs WHERE inventory = ? AND cadence = ? ORDER BY id DESC LIMIT 1"
        return next((started for (started,) in self.read(query, (inventory, cadence))), None)

    def streak(self, host: str, test: str) -> Streak | None:
        """The streak of a test that was failed or unknown in the last run; None if the test was neither."""
        for runs, first in self.read(_STREAK, (host, test)):
            if runs:
                ((since,),) = self.read("SELECT started FROM runs WHERE id = ?", (first,))
                return Streak(runs, since)
        return None

    def unknown_runs(self, host: str, test: str, inventory: Path, now: float) -> UnknownRuns | None:
        """The earlier runs of an inventory in which a test that is unknown now was unknown; None without any.

        Runs count in the order of the file. A start outside the time since the last other verdict is of a wrong clock.
        """
        file = inventory.resolve()
        names = [name for (name,) in self.read("SELECT DISTINCT inventory FROM lines", ())]
        same = [name for name in names if Path(name).resolve() == file]
        spans = self.read(_UNKNOWN_SPANS.format(_places(same)), (host, test, *same)) if same else []
        measured = [each for each in spans if not each[-1]]
        last = max((end for *_, end, _ in measured), default=0)
        found = self._starts([each for each in spans if each[-1] and each[-2] > last], last + 1)
        if not found:
            return None
        earliest = self._last_start(measured, now)
        within = [(started, cadence) for started, cadence in found if earliest <= started <= now]
        rounds = [started for started, cadence in within if cadence != SELECTED]
        return UnknownRuns(min(within)[0], min(rounds, default=None), max(rounds, default=None)) if within else None

    def _starts(self, spans: Iterable[Row], since: int) -> list[tuple[float, str]]:
        """Start and round of each run of `spans`, from the run `since` on."""
        query = "SELECT started FROM visits JOIN runs ON runs.id = run WHERE line = ? AND run BETWEEN ? AND ?"
        return [
            (started, cadence)
            for line, cadence, first, last, *_ in spans
            for (started,) in self.read(query, (line, max(first, since), last))
        ]

    def _last_start(self, spans: Iterable[Row], now: float) -> float:
        """The start of the last run of `spans` that is not after `now`; 0 without any."""
        query = """
            SELECT run, started FROM visits JOIN runs ON runs.id = run
             WHERE line = ? AND run BETWEEN ? AND ? AND started <= ? ORDER BY run DESC LIMIT 1
        """
        found = [row for line, _, *ends, _ in spans for row in self.read(query, (line, *ends, now))]
        return float(max(found, default=(0, 0.0))[1])

    def reading(self) -> AbstractContextManager[Any]:
        """A connection to read only, with the current layout. Its `execute` takes a statement and values.

        Raises:
            sqlite3.Error: the file is missing or cannot be read.
            OSError: the same.
            DatabaseError: the server is out of reach or cannot be read.
        """
        return self._place.reading()

    def read(self, query: str, values: tuple[str | float, ...]) -> list[Any]:
        """The rows of a query; none without a readable history."""
        if self.complaints or self._place.is_empty:
            return []
        with self._complaining("cannot be read"), self.reading() as connection:
            found: list[Any] = connection.execute(query, values).fetchall()
            return found
        return []

    def add(
        self,
        started: float,
        inventory: str,
        cadence: str,
        verdicts: Iterable[Verdict],
        due: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        """Records a run in one transaction. `due` has the time by which the next is expected, by host."""
        self.unrecorded = True
        with self._complaining("this run is not recorded"):
            with self._place.writing() as database:
                run = add_run(database, started, inventory, cadence)
                found = results(verdicts)
                add_results(database, run, inventory, cadence, found)
                lines = [(due.get(host), inventory, cadence, host) for host in found]
                database.write("UPDATE lines SET due = ? WHERE inventory = ? AND cadence = ? AND host = ?", lines)
                sum_up(database, run)
            self.unrecorded = False

    @contextmanager
    def _complaining(self, consequence: str) -> Iterator[None]:
        try:
            yield
        except ERRORS as error:
            complaint = f"history {shown(self.path)}: {error}: {consequence}"
            if complaint not in self.complaints:
                self.complaints.append(complaint)


def _places(names: Collection[str]) -> str:
    return ", ".join("?" * len(names))
