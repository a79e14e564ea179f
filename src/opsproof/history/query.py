"""Rows of the history for export: streamed from the file, the newest run first."""

import datetime
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from opsproof.core.errors import MeasurementError
from opsproof.history.store import ERRORS, History, shown

VERDICT_COLUMNS = ("started", "inventory", "round", "host", "check", "verdict", "sentence")
VALUE_COLUMNS = ("started", "inventory", "round", "host", "check", "metric", "value", "unit")
_RUNS = """
SELECT id, started, inventory, cadence FROM runs
 WHERE (CAST(:round AS TEXT) IS NULL OR cadence = :round) AND started >= :since
   AND (CAST(:host AS TEXT) IS NULL OR id IN (SELECT run FROM lines JOIN visits ON line = lines.id WHERE host = :host))
 ORDER BY id DESC
"""
_WHERE = """
 WHERE run = :run
   AND (CAST(:host AS TEXT) IS NULL OR host = :host)
   AND (CAST(:check AS TEXT) IS NULL OR test = :check
        OR substr(test, 1, length(CAST(:check AS TEXT)) + 1) = CAST(:check AS TEXT) || '[')
"""
_VERDICTS = f"""
SELECT host, test, verdict, sentence FROM verdicts {_WHERE}
   AND (CAST(:verdict AS TEXT) IS NULL OR verdict = :verdict)
"""  # noqa: S608  # made of constants
_VALUES = f"""
SELECT host, test, metric, value, unit FROM measurements {_WHERE}
   AND (CAST(:metric AS TEXT) IS NULL OR metric = :metric)
"""  # noqa: S608
_UNKNOWNS = """
SELECT host, test, sentence FROM verdicts WHERE verdict = 'unknown' AND run = (SELECT max(id) FROM runs)
 ORDER BY host, sentence, test
"""


@dataclass(frozen=True)
class HistoryQuery:
    """What to select: equal texts, runs since a time in seconds since 1970, and at most `limit` rows; None for all.

    `check` is the name of a check, with its parameter or without. `metric` is the title of a metric.
    """

    host: str | None = None
    round: str | None = None
    check: str | None = None
    verdict: str | None = None
    metric: str | None = None
    since: float = 0.0
    limit: int | None = None


def rows(place: Path | str, query: HistoryQuery, *, values: bool = False) -> Iterator[tuple[str | float, ...]]:
    """The verdicts in the history at `place`, or the measured values, one row at a time.

    Raises:
        MeasurementError: the history is missing or cannot be read.
    """
    try:
        with History(place).reading() as connection:
            yield from islice(_rows(connection, query, _VALUES if values else _VERDICTS), query.limit)
    except ERRORS as error:
        raise MeasurementError(f"{shown(place)}: {error}: give the folder of the history, --reports=FOLDER") from error


def _rows(connection: Any, query: HistoryQuery, statement: str) -> Iterator[tuple[str | float, ...]]:
    """The rows of each run in turn: a query over all runs would sort them first."""
    given = asdict(query)
    for run, started, inventory, cadence in connection.execute(_RUNS, given):
        moment = datetime.datetime.fromtimestamp(started, tz=datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        for row in connection.execute(statement, {**given, "run": run}):
            yield moment, inventory, cadence, *row


def names(place: Path | str) -> dict[str, set[str]]:
    """The names in the history at `place`: of each host, round, and check with its parameter and without.

    Raises:
        MeasurementError: the history is missing or cannot be read.
    """
    columns = {"host": "SELECT DISTINCT host FROM lines", "round": "SELECT DISTINCT cadence FROM lines"}
    columns["check"] = "SELECT DISTINCT test FROM checks"
    try:
        with History(place).reading() as connection:
            found = {kind: {name for (name,) in connection.execute(query)} for kind, query in columns.items()}
    except ERRORS as error:
        raise MeasurementError(f"{shown(place)}: {error}: give the folder of the history, --reports=FOLDER") from error
    return {**found, "check": found["check"] | {each.partition("[")[0] for each in found["check"]}}


def last_unknowns(place: Path | str) -> list[tuple[str, str, str]]:
    """Host, check and sentence of each unknown verdict of the last run in the history at `place`, by host and sentence.

    Raises:
        MeasurementError: the file cannot be read.
    """
    with History(place).reading() as connection:
        found: list[tuple[str, str, str]] = connection.execute(_UNKNOWNS).fetchall()
        return found
