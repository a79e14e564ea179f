"""Sums up by week what is older than 400 days."""

from collections.abc import Iterator
from itertools import groupby, pairwise
from typing import Any

from opsproof.history.recording import HistoryConnection

KEPT_S = 400 * 86400.0
"""The age from which on a week's lowest, highest and mean value replace its values, in seconds."""
WEEK_S = 7 * 86400.0
_MONDAY_S = 4 * 86400.0
"""1970 began on a Thursday: the first Monday."""
_CAREFUL = 100
"""A single run with a wrong clock must not make the rest old: the earliest of so many runs counts as now."""


def week_of(moment: float) -> int:
    """The number of the week, from Monday to Sunday, of a time in seconds since 1970."""
    return int((moment - _MONDAY_S) // WEEK_S)


def sum_up(database: HistoryConnection, run: int) -> None:
    """Sums up weeks that became older than `KEPT_S` with the newest run, `run`: nothing in most runs."""
    edges = [week_of(_now(database, each) - KEPT_S) for each in (run - 1, run)]
    if edges[0] == edges[1]:
        return
    young = _MONDAY_S + edges[1] * WEEK_S
    last = database.query("SELECT min(id) - 1 FROM runs WHERE started >= ?", (young,))[0][0]
    for (line,) in database.query("SELECT id FROM lines"):
        _sum_up_line(database, line, last)
    _thin_out(database, young)


def _now(database: HistoryConnection, run: int) -> float:
    statement = "SELECT min(started) FROM (SELECT started FROM runs WHERE id <= ? ORDER BY id DESC LIMIT ?) AS newest"
    return float(database.query(statement, (run, _CAREFUL))[0][0] or 0.0)


def _sum_up_line(database: HistoryConnection, line: int, last: int) -> None:
    """Replaces values by weeks, except words and values that stayed the same from one week to another."""
    statement = "SELECT run, started FROM visits JOIN runs ON runs.id = run WHERE line = ? AND run <= ? ORDER BY run"
    visits = {
        run: (number, week_of(started)) for number, (run, started) in enumerate(database.query(statement, (line, last)))
    }
    statement = """
        SELECT series_id, last_run, first_run, number FROM checks
          JOIN series ON series.check_id = checks.id JOIN measured ON series_id = series.id
         WHERE line = ? AND last_run <= ? AND number IS NOT NULL ORDER BY series_id, last_run
    """
    spans = [
        (series, visits[end][1], end, visits[end][0] - visits[begin][0] + 1, number)
        for series, end, begin, number in database.query(statement, (line, last))
        if visits[begin][1] == visits[end][1]
    ]
    database.write("INSERT INTO weeks VALUES (?, ?, ?, ?, ?, ?)", list(_weeks(spans)))
    database.write(
        "DELETE FROM measured WHERE series_id = ? AND last_run = ?", [(series, end) for series, _, end, _, _ in spans]
    )


def _weeks(spans: list[tuple[int, int, int, int, float]]) -> Iterator[tuple[Any, ...]]:
    """Series, last run, number of values, lowest, highest and mean value of each week of each series."""
    for (series, _), group in groupby(spans, key=lambda each: each[:2]):
        ends, amounts, numbers = zip(*[each[2:] for each in group], strict=True)
        mean = sum(amount * number for amount, number in zip(amounts, numbers, strict=True)) / sum(amounts)
        yield series, max(ends), sum(amounts), min(numbers), max(numbers), mean


def _thin_out(database: HistoryConnection, young: float) -> None:
    """Keeps the last sample of a counter in a week, of the weeks before `young`."""
    statement = (
        "SELECT counter_id, taken, run, value, born FROM readings WHERE taken < ? ORDER BY counter_id, taken, run"
    )
    rows = database.query(statement, (young,))
    excess = [row for row, after in pairwise(rows) if (row[0], week_of(row[1])) == (after[0], week_of(after[1]))]
    database.write(
        "DELETE FROM readings WHERE counter_id = ? AND taken = ? AND run = ? AND value = ? AND born = ?", excess
    )
