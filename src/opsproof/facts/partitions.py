"""Whether partitioned tables have a partition for every row that comes."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from opsproof.core import scripts
from opsproof.core.errors import MeasurementError, OutputError
from opsproof.facts.base import Measured, SqlFact
from opsproof.inventory.resources import Database
from opsproof.postgres.connection import Result

_BOUND = r"(MINVALUE|MAXVALUE|'[^']+')[^)]*"
_RANGE = re.compile(rf"FOR VALUES FROM \({_BOUND}\) TO \({_BOUND}\)")
_OFFSET = re.compile(r":\d\d[+-]\d\d(:\d\d)*'")
ZONES = timedelta(hours=14)
"""No place is further than this from UTC."""
Span = tuple[datetime, datetime]
EVER: Span = (datetime(1, 1, 1), datetime(9999, 12, 31))  # noqa: DTZ001  # as the bounds are


@dataclass(frozen=True)
class Partition:
    """A partition as the server describes it: `bound` is ``FOR VALUES FROM ('2026-11-01') TO ('2026-12-01')``.

    `rows` matters of the default partition alone: None where it is not empty and nobody has counted. One that is
    partitioned itself `takes_rows` from its first partition on.
    """

    name: str
    bound: str
    is_default: bool
    rows: int | None
    takes_rows: bool = True

    @property
    def span(self) -> Span:
        """From when until before when it takes rows.

        Raises:
            OutputError: it is not made for a span of time.
        """
        return _span(self)


@dataclass(frozen=True)
class PartitionedTable:
    """A partitioned table with its partitions, on the day `today` of the server, in UTC."""

    name: str
    strategy: str
    partitions: tuple[Partition, ...]
    today: date

    def spans(self) -> list[Span]:
        """From when until before when each partition takes rows, the oldest first.

        Raises:
            OutputError: it is not partitioned by times.
        """
        if self.strategy != "r":
            raise OutputError(
                f"{self.name} is partitioned by {'list' if self.strategy == 'l' else 'hash'}, not by range"
            )
        return sorted(each.span for each in self.partitions if each.takes_rows and not each.is_default)

    @property
    def edge(self) -> timedelta:
        """How far from midnight its months may begin."""
        return ZONES if any(_OFFSET.search(each.bound) for each in self.partitions) else timedelta()

    def takes(self, month: date) -> bool:
        """Whether partitions take all of the month that begins on the day `month`."""
        ((start, end),) = _months(month, 1)
        return _covered(self.spans(), start, end)

    def missing(self, ahead: int) -> list[str]:
        """The months, of this one and of `ahead` after it, that no partition takes whole, as ``2026-12``.

        A table that began this month is to have what came since. Where bounds carry an offset, months may be of any
        time zone: their first and last hours may belong to a neighbour.
        """
        spans, today = self.spans(), datetime.combine(self.today, time())
        begun, edge = min((start for start, _ in spans), default=today), self.edge
        firsts = (
            (start, max(start + edge, min(begun, today)), end - edge) for start, end in _months(self.today, ahead + 1)
        )
        return [f"{start:%Y-%m}" for start, first, last in firsts if not _covered(spans, first, last)]

    def unmade(self, ahead: int) -> list[date]:
        """The first days of the months that no partition takes whole, from the first whole one on."""
        spans, ((now, _), (coming, _)) = self.spans(), _months(self.today, 2)
        begun = min((start for start, _ in spans if start > EVER[0]), default=coming)
        first = now if begun >= coming else next(start for start, _ in _months(begun, 2) if start >= begun)
        months = _months(first, (now.year - first.year) * 12 + now.month - first.month + ahead + 1)
        return [start.date() for start, end in months if not _covered(spans, start, end)]

    def holes(self) -> list[str]:
        """Times before this month that no partition takes, between two that are taken."""
        spans, (now, _) = self.spans(), next(_months(self.today, 1))
        pairs = zip(_reach(spans), spans[1:], strict=False)
        return [f"{end:%Y-%m-%d} to {start:%Y-%m-%d}" for end, (start, _) in pairs if end < start and end < now]

    @property
    def default_rows(self) -> int:
        """Rows in the default partition, about; 0 where there is none.

        Raises:
            MeasurementError: it takes room on the disk, and no row of it is counted.
        """
        default = next((each for each in self.partitions if each.is_default), None)
        if default is not None and default.rows is None:
            raise MeasurementError(f"{default.name} is not empty, and no row of it is counted: VACUUM (ANALYZE) it")
        return default.rows or 0 if default else 0


def _months(first: date, count: int) -> Iterator[Span]:
    for number in range(first.year * 12 + first.month - 1, first.year * 12 + first.month - 1 + count):
        start, end = (datetime(each // 12, each % 12 + 1, 1) for each in (number, number + 1))  # noqa: DTZ001
        yield start, end


def _covered(spans: Iterable[Span], start: datetime, end: datetime) -> bool:
    """Whether `spans`, the oldest first, take everything from `start` until `end`."""
    for begins, ends in spans:
        if begins <= start < ends:
            start = ends
    return start >= end


def _reach(spans: Iterable[Span]) -> Iterator[datetime]:
    """How far each span, with those before it, reaches."""
    furthest = EVER[0]
    for _, end in spans:
        furthest = max(furthest, end)
        yield furthest


def _span(partition: Partition) -> Span:
    found = _RANGE.fullmatch(partition.bound)
    if found is None:
        raise OutputError(f"{partition.name}: {partition.bound} is no span of time")
    return _moment(found[1], partition), _moment(found[2], partition)


def _moment(text: str, partition: Partition) -> datetime:
    if text in ("MINVALUE", "MAXVALUE"):
        return EVER[text == "MAXVALUE"]
    try:
        return datetime.fromisoformat(text.strip("'")).replace(tzinfo=None)
    except ValueError as error:
        raise OutputError(f"{partition.name}: {text} is no time") from error


class Partitions(SqlFact[Measured[PartitionedTable]]):
    """Every partitioned table of a database, by schema and name; one that is not there is Absent."""

    sql = scripts.sql("facts/partitions")

    def parse(self, result: Result, database: Database) -> Measured[PartitionedTable]:
        """Partitions of partitions are left out: what their parent takes is what counts."""
        tables: dict[str, list[list[Any]]] = {}
        for row in result.require():
            tables.setdefault(row[0], []).append(row)
        return Measured({name: _table(name, rows) for name, rows in tables.items()}, "is no partitioned table")


def _table(name: str, rows: list[list[Any]]) -> PartitionedTable:
    partitions = [
        Partition(partition, bound, bool(is_default), None if count is None else int(count), bool(takes_rows))
        for _, _, partition, bound, is_default, count, takes_rows, _ in rows
        if partition is not None
    ]
    return PartitionedTable(name, rows[0][1], tuple(partitions), date.fromisoformat(rows[0][7]))
