"""Whether partitioned tables have a partition for every row."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any

from opsproof.core import scripts
from opsproof.core.errors import MeasurementError, OutputError
from opsproof.core.spans import MONDAY, SpanCalendar
from opsproof.facts.base import Measured, SqlFact
from opsproof.inventory.resources import Database
from opsproof.postgres.connection import Result

_BOUND = r"(MINVALUE|MAXVALUE|'[^']+')[^)]*"
_RANGE = re.compile(rf"FOR VALUES FROM \({_BOUND}\) TO \({_BOUND}\)")
_OFFSET = re.compile(r":\d\d[+-]\d\d(:\d\d)*'")
ZONES = timedelta(hours=14)
"""Largest UTC offset in use."""
SUMMER_TIME = timedelta(hours=2)
"""Largest change of a UTC offset by summer time."""
HALF_DAY = timedelta(hours=12)
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
    """A partitioned table with its partitions, each of a span `by`; `today` is the server's date in UTC."""

    name: str
    strategy: str
    partitions: tuple[Partition, ...]
    today: date
    by: str = "month"

    def every(self, by: str) -> "PartitionedTable":
        """This table with partitions by day, week or month."""
        return replace(self, by=by)

    @property
    def calendar(self) -> SpanCalendar:
        """The spans of partitions; weeks begin like the newest partition.

        Raises:
            OutputError: the table is not partitioned by time range.
        """
        return SpanCalendar(self.by, self._newest.date())

    @property
    def _newest(self) -> datetime:
        """The midnight nearest to the start of the newest partition: in UTC, a local midnight is up to 12 hours off."""
        begun = [start for start, _ in self.spans() if start > EVER[0]]
        return datetime.combine((begun[-1] + HALF_DAY).date() if begun else MONDAY, time())

    @property
    def _shift(self) -> timedelta:
        """The distance of the newest partition's start from midnight UTC; zero for months, of different lengths."""
        begun = [start for start, _ in self.spans() if start > EVER[0]]
        return begun[-1] - self._newest if begun and self.by != "month" and self.zone_margin else timedelta()

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
        """Largest possible distance of a span's boundary from midnight UTC."""
        margin = ZONES if self.by == "month" else SUMMER_TIME
        return margin if any(_OFFSET.search(each.bound) for each in self.partitions) else timedelta()

    def covers(self, first: date) -> bool:
        """Whether partitions cover the whole span starting on `first`."""
        ((start, end),) = self.calendar.spans(first, 1)
        return _covered(self.spans(), start, end)

    def missing(self, ahead: int) -> list[str]:
        """Spans not fully covered by partitions, from the current span to `ahead` spans later, as ``2026-12``.

        A table created in this span needs coverage from its first partition on. Bounds with a UTC offset allow spans of
        any time zone: first and last hours may belong to a neighbouring span.
        """
        calendar = self.calendar
        spans, today, shift = self.spans(), datetime.combine(self.today, time()), self._shift
        begun, margin = min((start for start, _ in spans), default=today), self.zone_margin
        firsts = (
            (start, max(start + shift + margin, min(begun, today)), end + shift - margin)
            for start, end in calendar.spans(calendar.start(self.today), ahead + 1)
        )
        return [calendar.title(start) for start, first, last in firsts if not _covered(spans, first, last)]

    def uncovered(self, ahead: int) -> list[date]:
        """First days of spans not fully covered, from the first full span of the table on."""
        spans, calendar, now = self.spans(), self.calendar, self.calendar.start(self.today)
        first, last = self._first(calendar), calendar.last(now, ahead)
        found = []
        while first <= last:
            ((start, end),) = calendar.spans(first, 1)
            found += [] if _covered(spans, start, end) else [first]
            first = calendar.after(first)
        return found

    def _first(self, calendar: SpanCalendar) -> date:
        """The first full span of the table, or the current one if the table has no partition yet."""
        now = calendar.start(self.today)
        coming = datetime.combine(calendar.after(now), time())
        begun = min((start for start, _ in self.spans() if start > EVER[0]), default=coming)
        start = calendar.start(begun.date())
        if begun >= coming:
            return now
        return start if datetime.combine(start, time()) == begun else calendar.after(start)

    def gaps(self) -> list[str]:
        """Gaps between two partitions, before the current span."""
        spans, now = self.spans(), datetime.combine(self.calendar.start(self.today), time())
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
