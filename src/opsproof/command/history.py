"""`opsproof history`: verdicts and measured values of earlier runs, as text, CSV or JSON."""

import csv
import json
import os
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

from opsproof.action.options import ActionParser
from opsproof.command import options
from opsproof.command.usage import UsageError, unknown
from opsproof.core.errors import MeasurementError
from opsproof.core.metrics import METRICS
from opsproof.core.rounds import ROUNDS
from opsproof.core.verdicts import ORDER
from opsproof.history.query import VALUE_COLUMNS, VERDICT_COLUMNS, HistoryQuery, names, rows
from opsproof.history.server import history_url
from opsproof.history.store import SELECTED, place_of

Rows = Iterator[tuple[str | float, ...]]
_ROWS = 1000
_EXAMPLES = """\
opsproof history --host=vps-00 --since=7d
opsproof history --check=test_disk_has_free_space --verdict=failed
opsproof history --metric=disk_used --format=csv --limit=0"""


def parser() -> ActionParser:
    """The options of `opsproof history`."""
    summary = "Prints verdicts or measured values of earlier runs, the newest first."
    made = options.parser("history", summary, _EXAMPLES)
    made.add_argument("--host", metavar="NAME", help="rows of the host")
    made.add_argument("--round", metavar="ROUND", help="rows of the round; selected: runs of selected checks")
    made.add_argument("--check", metavar="CHECK", help="rows of the check, perhaps with a parameter in brackets")
    made.add_argument("--verdict", choices=ORDER, metavar="VERDICT", help=f"rows with this verdict: {', '.join(ORDER)}")
    made.add_argument("--values", action="store_true", help="print measured values instead of verdicts")
    made.add_argument("--metric", choices=METRICS, metavar="METRIC", help="print the values of the metric")
    made.add_argument("--since", type="duration", metavar="TIME", help="rows of the last TIME, such as 7d or 12h")
    made.add_argument("--limit", type="count", default=_ROWS, metavar="N", help=f"at most N rows, 0 for all ({_ROWS})")
    made.add_argument("--format", choices=list(_WRITERS), default="text", metavar="FORMAT", help="text, csv or json")
    options.add_reports(made)
    return made


def run(words: list[str]) -> int:
    """Prints the selected rows; 6 if the history cannot be read.

    Raises:
        UsageError: two options exclude each other, a name is not in the history, or $OPSPROOF_HISTORY is not valid.
    """
    given = parser().parse_args(words)
    values = given.values or given.metric is not None
    if values and given.verdict:
        raise UsageError("--verdict is not valid with measured values: omit --values and --metric")
    place = place_of(given.reports, _url())
    found = rows(place, _query(given), values=values)
    try:
        _require_known(given, names(place))
        _WRITERS[given.format](VALUE_COLUMNS if values else VERDICT_COLUMNS, _bounded(found, given.limit))
    except MeasurementError as error:
        sys.stderr.write(f"opsproof: {error}\n")
        return 6
    return 0


def _require_known(given: Namespace, known: Mapping[str, set[str]]) -> None:
    for kind, more in (("host", ()), ("round", (*ROUNDS, SELECTED)), ("check", ())):
        word, every = getattr(given, kind), {*known[kind], *more}
        if word is not None and word not in every:
            raise UsageError(f"--{kind}: {unknown(kind, word, sorted(every), 'opsproof history')}")


def _url() -> str | None:
    try:
        return history_url(text) if (text := os.environ.get("OPSPROOF_HISTORY")) else None
    except ValueError as error:
        raise UsageError(f"$OPSPROOF_HISTORY: {error}") from error


def _query(given: Namespace) -> HistoryQuery:
    since = 0.0 if given.since is None else time.time() - given.since
    metric = METRICS[given.metric].title if given.metric else None
    return HistoryQuery(
        given.host, given.round, given.check, given.verdict, metric, since, given.limit + 1 if given.limit else None
    )


def _bounded(found: Rows, limit: int) -> Rows:
    """The rows up to the limit; says so if there are more."""
    yield from islice(found, limit or None)
    if next(found, None) is not None:
        sys.stderr.write(f"opsproof: only the newest {limit} rows: give --limit=0 to print all\n")


def _write_text(columns: tuple[str, ...], found: Rows) -> None:
    del columns
    for row in found:
        sys.stdout.write("  ".join(options.plain(str(each)) for each in row if each != "") + "\n")


def _write_csv(columns: tuple[str, ...], found: Rows) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(found)


def _write_json(columns: tuple[str, ...], found: Rows) -> None:
    """One JSON object a line."""
    for row in found:
        sys.stdout.write(json.dumps(dict(zip(columns, row, strict=True))) + "\n")


_WRITERS: dict[str, Callable[[tuple[str, ...], Any], None]] = {
    "text": _write_text,
    "csv": _write_csv,
    "json": _write_json,
}
