"""The history: verdicts, measured values and counter samples of every run, in a SQLite file.

Errors of the history are kept in `complaints`; a run continues without history.
"""

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any

from opsproof.core.counters import Counter
from opsproof.core.deployments import RoundSample
from opsproof.core.verdicts import Verdict
from opsproof.history import migration

FILE = "history.sqlite"
"""The name of the history in the folder of reports."""
BUSY_TIMEOUT_S = 2.0
SELECTED = "selected"
"""The round of a run whose selection paths or -k narrow."""
_SCHEMA = f"""
    CREATE TABLE IF NOT EXISTS runs (
        id INTEGER PRIMARY KEY, started REAL NOT NULL, inventory TEXT NOT NULL, cadence TEXT NOT NULL
    );
    CREATE TABLE IF NOT EXISTS verdicts (
        run INTEGER NOT NULL REFERENCES runs, host TEXT NOT NULL, test TEXT NOT NULL,
        verdict TEXT NOT NULL, sentence TEXT NOT NULL, unknown_since REAL
    );
    CREATE TABLE IF NOT EXISTS measurements (
        run INTEGER NOT NULL REFERENCES runs, host TEXT NOT NULL, test TEXT NOT NULL,
        metric TEXT NOT NULL, value NUMERIC NOT NULL, unit TEXT NOT NULL
    );
    CREATE TABLE IF NOT EXISTS samples (
        run INTEGER NOT NULL REFERENCES runs, host TEXT NOT NULL, resource TEXT NOT NULL, metric TEXT NOT NULL,
        value REAL NOT NULL, born REAL NOT NULL, taken REAL NOT NULL
    );
    PRAGMA user_version = {migration.VERSION};
    CREATE INDEX IF NOT EXISTS verdicts_by_test ON verdicts (host, test, run);
    CREATE INDEX IF NOT EXISTS samples_by_metric ON samples (host, resource, metric, taken);
"""


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


_UNKNOWN_RUNS = """
    WITH judged AS (
        SELECT run, started, CASE WHEN cadence <> ?5 THEN started END AS round,
               verdict = 'unknown' OR unknown_since IS NOT NULL AS is_unknown
          FROM verdicts JOIN runs ON runs.id = run
         WHERE host = ?1 AND test = ?2 AND inventory IN (SELECT value FROM json_each(?3))
    ), measured AS (SELECT run, started FROM judged WHERE NOT is_unknown)
    SELECT min(started), min(round), max(round) FROM judged
     WHERE run > coalesce((SELECT max(run) FROM measured), 0) AND started <= ?4
       AND started >= coalesce((SELECT started FROM measured WHERE started <= ?4 ORDER BY run DESC LIMIT 1), 0)
"""
"""Runs count in the order of the file. A start outside the time since the last other verdict is of a wrong clock."""


@dataclass
class History:
    """The history file at `path`; `complaints` holds the errors of reading and writing the file."""

    path: Path
    complaints: list[str] = field(default_factory=list)

    def samples(self, host: str, resource: str, metric: str, since: float) -> list[Counter]:
        """The samples of a counter taken since `since`, and the newest sample before."""
        return [each.counter for each in self.round_samples(host, resource, metric, since)]

    def round_samples(self, host: str, resource: str, metric: str, since: float) -> list[RoundSample]:
        """The samples of a counter taken since `since`, and the newest sample before, with their rounds."""
        query = """
            SELECT value, born, taken, cadence FROM samples JOIN runs ON runs.id = run
             WHERE host = ? AND resource = ? AND metric = ? AND taken >= coalesce(
                   (SELECT max(taken) FROM samples
                     WHERE host = ?1 AND resource = ?2 AND metric = ?3 AND taken < ?4), ?4)
        """
        found = self._read(query, (host, resource, metric, since))
        return [RoundSample(Counter(*row), cadence) for *row, cadence in found]

    def last_sample(self, host: str, resource: str, metric: str) -> Counter | None:
        """The newest sample of a counter; None without any sample."""
        query = (
            "SELECT value, born, taken FROM samples WHERE host = ? AND resource = ? AND metric = ? ORDER BY taken DESC"
        )
        return next((Counter(*row) for row in self._read(f"{query} LIMIT 1", (host, resource, metric))), None)

    def readings(self, host: str, resource: str, names: Collection[str]) -> dict[str, list[Counter]]:
        """All samples of each of `names`, the oldest first."""
        query = """
            SELECT metric, value, born, taken FROM samples
             WHERE host = ? AND resource = ? AND metric IN (SELECT value FROM json_each(?)) ORDER BY taken
        """
        found: dict[str, list[Counter]] = {name: [] for name in names}
        for name, *reading in self._read(query, (host, resource, json.dumps(list(names)))):
            found[name].append(Counter(*reading))
        return found

    def last_run(self, inventory: str, cadence: str) -> dict[str, str]:
        """The verdict of each test in the last run of the same round on its host; empty without an earlier run."""
        query = """
            SELECT test, verdict FROM verdicts JOIN (
                SELECT host AS of, max(run) AS last FROM verdicts JOIN runs ON runs.id = run
                 WHERE inventory = ? AND cadence = ? GROUP BY host
            ) ON host = of AND run = last
        """
        return dict(self._read(query, (inventory, cadence)))

    def streak(self, host: str, test: str) -> Streak | None:
        """The streak of a test that was failed or unknown in the last run; None if the test was neither."""
        query = """
            SELECT verdict, started FROM verdicts JOIN runs ON runs.id = run
             WHERE host = ? AND test = ? ORDER BY runs.id DESC LIMIT 1000
        """
        rows = self._read(query, (host, test))
        bad = list(takewhile(lambda row: row[0] in ("failed", "unknown"), rows))
        return Streak(len(bad), bad[-1][1]) if bad else None

    def unknown_runs(self, host: str, test: str, inventory: Path, now: float) -> UnknownRuns | None:
        """The earlier runs of an inventory in which a test that is unknown now was unknown; None without any."""
        file = inventory.resolve()
        names = [name for (name,) in self._read("SELECT DISTINCT inventory FROM runs", ())]
        same = json.dumps([name for name in names if Path(name).resolve() == file])
        rows = self._read(_UNKNOWN_RUNS, (host, test, same, now, SELECTED))
        return next((UnknownRuns(*row) for row in rows if row[0] is not None), None)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection to the file, to read only, after a migration if the file is of an older version.

        Raises:
            sqlite3.Error: the file is missing or cannot be read.
            OSError: the same.
        """
        with self._up_to_date("ro") as connection:
            yield connection

    def _read(self, query: str, values: tuple[str | float, ...]) -> list[Any]:
        if self.complaints or not self.path.exists():
            return []
        with self._complaining("cannot be read"), self._up_to_date("ro") as connection:
            return connection.execute(query, values).fetchall()
        return []

    def add(self, started: float, inventory: str, cadence: str, verdicts: Iterable[Verdict]) -> None:
        """Records a run in one transaction."""
        with self._complaining("this run is not recorded"), self._up_to_date("rwc") as connection, connection:
            connection.executescript(_SCHEMA)
            row = (started, inventory, cadence)
            run = connection.execute("INSERT INTO runs (started, inventory, cadence) VALUES (?, ?, ?)", row).lastrowid
            for verdict in verdicts:
                _insert(connection, run, verdict)

    @contextmanager
    def _up_to_date(self, mode: str) -> Iterator[sqlite3.Connection]:
        with self._open(mode) as connection:
            is_current = migration.is_current(connection)
            if is_current:
                yield connection
        if not is_current:
            with self._open("rw") as connection:
                migration.migrate(connection)
            with self._open(mode) as connection:
                yield connection

    @contextmanager
    def _open(self, mode: str) -> Iterator[sqlite3.Connection]:
        uri = f"{self.path.resolve().as_uri()}?mode={mode}"
        with closing(sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S)) as connection:
            yield connection

    @contextmanager
    def _complaining(self, consequence: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            complaint = f"history {self.path}: {error}: {consequence}"
            if complaint not in self.complaints:
                self.complaints.append(complaint)


def _insert(connection: sqlite3.Connection, run: int | None, verdict: Verdict) -> None:
    test = (run, verdict.host, verdict.test)
    row = (*test, verdict.verdict, verdict.sentence, verdict.unknown_since)
    connection.execute("INSERT INTO verdicts VALUES (?, ?, ?, ?, ?, ?)", row)
    connection.executemany(
        "INSERT INTO measurements VALUES (?, ?, ?, ?, ?, ?)",
        [(*test, each.metric, each.value, each.unit) for each in verdict.measurements],
    )
    connection.executemany(
        "INSERT INTO samples VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (run, verdict.host, verdict.resource, each.metric, each.value, each.born, each.taken)
            for each in verdict.samples
        ],
    )
