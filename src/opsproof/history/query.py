"""Rows of the history for export: streamed from the file, the newest run first."""

import sqlite3
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from opsproof.core.errors import MeasurementError
from opsproof.history.store import History

VERDICT_COLUMNS = ("started", "inventory", "round", "host", "check", "verdict", "sentence")
VALUE_COLUMNS = ("started", "inventory", "round", "host", "check", "metric", "value", "unit")
_WHERE = """
  JOIN runs ON runs.id = run
 WHERE (:host IS NULL OR host = :host)
   AND (:round IS NULL OR cadence = :round)
   AND (:check IS NULL OR test = :check OR substr(test, 1, length(:check) + 1) = :check || '[')
   AND started >= :since
"""
_MOMENT = "strftime('%Y-%m-%dT%H:%M:%SZ', started, 'unixepoch')"
_VERDICTS = f"""
SELECT {_MOMENT}, inventory, cadence, host, test, verdict, sentence FROM verdicts {_WHERE}
   AND (:verdict IS NULL OR verdict = :verdict)
 ORDER BY runs.id DESC LIMIT :limit
"""  # noqa: S608  # made of constants
_VALUES = f"""
SELECT {_MOMENT}, inventory, cadence, host, test, metric, value, unit FROM measurements {_WHERE}
   AND (:metric IS NULL OR metric = :metric)
 ORDER BY runs.id DESC LIMIT :limit
"""  # noqa: S608
_UNKNOWNS = """
SELECT host, test, sentence FROM verdicts WHERE verdict = 'unknown' AND run = (SELECT max(id) FROM runs)
 ORDER BY host, sentence, test
"""


@dataclass(frozen=True)
class HistoryQuery:
    """What to select: equal texts, runs since a time in seconds since 1970, and at most `limit` rows; -1 for all.

    `check` is the name of a check, with its parameter or without. `metric` is the title of a metric.
    """

    host: str | None = None
    round: str | None = None
    check: str | None = None
    verdict: str | None = None
    metric: str | None = None
    since: float = 0.0
    limit: int = -1


def rows(path: Path, query: HistoryQuery, *, values: bool = False) -> Iterator[tuple[str | float, ...]]:
    """The verdicts in the history at `path`, or the measured values, one row at a time.

    Raises:
        MeasurementError: the file is missing or cannot be read.
    """
    try:
        with History(path).reading() as connection:
            yield from connection.execute(_VALUES if values else _VERDICTS, asdict(query))
    except (sqlite3.Error, OSError) as error:
        raise MeasurementError(f"{path}: {error}: give the folder of the history, --reports=FOLDER") from error


def last_unknowns(path: Path) -> list[tuple[str, str, str]]:
    """Host, check and sentence of each unknown verdict of the last run in the history at `path`, by host and sentence.

    Raises:
        MeasurementError: the file cannot be read.
    """
    with History(path).reading() as connection:
        return connection.execute(_UNKNOWNS).fetchall()
