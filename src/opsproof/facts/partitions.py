"""Whether partitioned tables have a partition for every row."""

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
"""Largest UTC offset in use."""
Span = tuple[datetime, datetime]
EVER: Span = (datetime(1, 1, 1), datetime(9999, 12, 31))  # noqa: DTZ001  # like the bounds


@dataclass(frozen=True)
class Partition:
    """A partition; `bound` is the server's text, as ``FOR VALUES FROM ('2026-11-01') TO ('2026-12-01')``.

    `rows` is set for the default partition only: None if not empty but without row statistics. A sub-partitioned
    partition `takes_rows` once it has a partition of its own.
    """

    name: str
    bound: str
    is_default: bool
    rows: int | None
    takes_rows: bool = True

    @property
    def span(self) -> Span:
        """Time range of the partition: start, and end (exclusive).

        Raises:
            OutputError: the bound is not a time range.
        """
        return _span(self)


@dataclass(frozen=True)
class PartitionedTable:
    """A partitioned table with its partitions; `today` is the server's date in UTC."""

    name: str
    strategy: str
    partitions: tuple[Partition, ...]
    today: date

    def spans(self) -> list[Span]:
        """Time ranges of all partitions that accept rows, the oldest first.

        Raises:
            OutputError: the table is not partitioned by time range.
        """
        if self.strategy != "r":
            raise OutputError(
                f"{self.name} is partitioned by {'list' if self.strategy == 'l' else 'hash'}, not by range"
            )
        return sorted(each.span for each in self.partitions if each.takes_rows and not each.is_default)

    @property
    def zone_margin(self) -> timedelta:
        """Largest possible distance of a month boundary from midnight UTC."""
        return ZONES if any(_OFFSET.search(each.bound) for each in self.partitions) else timedelta()

    def covers(self, month: date) -> bool:
        """Whether partitions cover the whole month starting on `month`."""
        ((start, end),) = _months(month, 1)
        return _covered(self.spans(), start, end)

    def missing(self, ahead: int) -> list[str]:
        """Months not fully covered by partitions, from the current month to `ahead` months later, as ``2026-12``.

        A table created this month needs coverage from its first partition on. Bounds with a UTC offset allow months of
        any time zone: first and last hours may belong to a neighbouring month.
        """
        spans, today = self.spans(), datetime.combine(self.today, time())
        begun, margin = min((start for start, _ in spans), default=today), self.zone_margin
        firsts = (
            (start, max(start + margin, min(begun, today)), end - margin)
            for start, end in _months(self.today, ahead + 1)
        )
        return [f"{start:%Y-%m}" for start, first, last in firsts if not _covered(spans, first, last)]

    def uncovered_months(self, ahead: int) -> list[date]:
        """First days of months not fully covered, from the first full month of the table on."""
        spans, ((now, _), (coming, _)) = self.spans(), _months(self.today, 2)
        begun = min((start for start, _ in spans if start > EVER[0]), default=coming)
        first = now if begun >= coming else next(start for start, _ in _months(begun, 2) if start >= begun)
        months = _months(first, (now.year - first.year) * 12 + now.month - first.month + ahead + 1)
        return [start.date() for start, end in months if not _covered(spans, start, end)]

    def gaps(self) -> list[str]:
        """Gaps between two partitions, before the current month."""
        spans, (now, _) = self.spans(), next(_months(self.today, 1))
        pairs = zip(_latest_ends(spans), spans[1:], strict=False)
        return [f"{end:%Y-%m-%d} to {start:%Y-%m-%d}" for end, (start, _) in pairs if end < start and end < now]

    @property
    def default_rows(self) -> int:
        """Approximate rows in the default partition; 0 without a default partition.

        Raises:
            MeasurementError: the default partition uses disk space, but has no row statistics.
        """
        default = next((each for each in self.partitions if each.is_default), None)
        if default is not None and default.rows is None:
            raise MeasurementError(f"{default.name} is not empty, but has no row statistics: run VACUUM (ANALYZE)")
        return default.rows or 0 if default else 0


def _months(first: date, count: int) -> Iterator[Span]:
    for number in range(first.year * 12 + first.month - 1, first.year * 12 + first.month - 1 + count):
        start, end = (datetime(each // 12, each % 12 + 1, 1) for each in (number, number + 1))  # noqa: DTZ001
        yield start, end


def _covered(spans: Iterable[Span], start: datetime, end: datetime) -> bool:
    """Whether `spans`, the oldest first, cover all time from `start` until `end`."""
    for begins, ends in spans:
        if begins <= start < ends:
            start = ends
    return start >= end


def _latest_ends(spans: Iterable[Span]) -> Iterator[datetime]:
    """Latest end among each span and all spans before."""
    furthest = EVER[0]
    for _, end in spans:
        furthest = max(furthest, end)
        yield furthest


def _span(partition: Partition) -> Span:
    found = _RANGE.fullmatch(partition.bound)
    if found is None:
        raise OutputError(f"{partition.name}: bound is not a time range: {partition.bound}")
    return _moment(found[1], partition), _moment(found[2], partition)


def _moment(text: str, partition: Partition) -> datetime:
    if text in ("MINVALUE", "MAXVALUE"):
        return EVER[text == "MAXVALUE"]
    try:
        return datetime.fromisoformat(text.strip("'")).replace(tzinfo=None)
    except ValueError as error:
        raise OutputError(f"{partition.name}: bound is not a time: {text}") from error


class Partitions(SqlFact[Measured[PartitionedTable]]):
    """All partitioned tables of a database, by schema and name; a missing table raises `Absent`."""

    sql = scripts.sql("facts/partitions")

    def parse(self, result: Result, database: Database) -> Measured[PartitionedTable]:
        """Sub-partitions are skipped: the parent's range decides."""
        tables: dict[str, list[list[Any]]] = {}
        for row in result.require():
            tables.setdefault(row[0], []).append(row)
        return Measured({name: _table(name, rows) for name, rows in tables.items()}, "is not a partitioned table")


def _table(name: str, rows: list[list[Any]]) -> PartitionedTable:
    partitions = [
        Partition(partition, bound, bool(is_default), None if count is None else int(count), bool(takes_rows))
        for _, _, partition, bound, is_default, count, takes_rows, _ in rows
        if partition is not None
    ]
    return PartitionedTable(name, rows[0][1], tuple(partitions), date.fromisoformat(rows[0][7]))
