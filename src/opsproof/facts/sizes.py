"""Sizes of tables and indexes, and changes of tables."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from opsproof.core import scripts
from opsproof.core.counters import Counter, growths
from opsproof.core.errors import OutputError
from opsproof.core.units import show
from opsproof.facts.base import SqlFact
from opsproof.facts.findings import reference
from opsproof.inventory.resources import Database
from opsproof.postgres.connection import Result


@dataclass(frozen=True)
class RelationSize:
    """A table with its TOAST table, or an index, and its size on disk."""

    name: str
    is_index: bool
    size_bytes: int

    def line(self, earlier: list[Counter], now: float) -> str:
        """Name, size, and growth since the `earlier` readings, as one line."""
        text, known = f"{self.name}: {show(self.size_bytes, 'bytes')}", reference(earlier, now)
        if known is None:
            return f"{text}, no earlier run is on record"
        growth = self.size_bytes - known.value
        day = datetime.fromtimestamp(known.now, UTC)
        return f"{text}, {'-' if growth < 0 else '+'}{show(abs(growth), 'bytes')} since {day:%Y-%m-%d}"


@dataclass(frozen=True)
class LargestRelations:
    """The ten largest tables and the ten largest indexes, the largest first, at the server's time `now`.

    `whole` is the sum of all relations, as of each relation's last vacuum or analyze.
    """

    tables: tuple[RelationSize, ...]
    indexes: tuple[RelationSize, ...]
    whole: RelationSize
    now: float

    @property
    def readings(self) -> dict[str, Counter]:
        """Sizes by name, for later runs."""
        every = (self.whole, *self.tables, *self.indexes)
        return {f"size of {each.name}": Counter(each.size_bytes, 0.0, self.now) for each in every}

    def lines(self, found: tuple[RelationSize, ...], earlier: dict[str, list[Counter]]) -> list[str]:
        """Tables or indexes as text, compared with earlier runs."""
        return [each.line(earlier[f"size of {each.name}"], self.now) for each in found]

    @property
    def largest_bytes(self) -> int:
        """Size of the largest table."""
        return self.tables[0].size_bytes


class RelationSizes(SqlFact[LargestRelations]):
    """Sizes of tables and indexes that were the largest at their last vacuum or analyze."""

    sql = scripts.sql("facts/relation_sizes")

    def parse(self, result: Result, database: Database) -> LargestRelations:
        """System catalogs are always listed."""
        rows = result.require()
        sizes = sorted((_size(row) for row in rows), key=lambda each: -each.size_bytes)
        if not sizes:
            raise OutputError("pg_class is empty: even its own row is missing")
        tables, indexes = ([each for each in sizes if each.is_index is kind][:10] for kind in (False, True))
        whole = RelationSize("all relations", False, int(rows[0][3]))
        return LargestRelations(tuple(tables), tuple(indexes), whole, float(rows[0][4]))


def _size(row: list[Any]) -> RelationSize:
    is_index, name, size, *_ = row
    return RelationSize(name, bool(is_index), int(size))


@dataclass(frozen=True)
class ChangedTable:
    """A table: its size with indexes in bytes, None while locked, and counters of changed rows by kind."""

    name: str
    size_bytes: int | None
    counters: dict[str, Counter]

    def line(self, earlier: dict[str, list[Counter]]) -> str:
        """Name, size, and the rows changed since the last of the `earlier` runs, else since the statistics began."""
        growth = growths(self.counters, earlier)[0]
        changes = ", ".join(f"{amount:.0f} {each.split()[0]}" for each, amount in growth.amounts.items())
        size = "locked" if self.size_bytes is None else show(self.size_bytes, "bytes")
        return f"{self.name}: {size}, {changes} since {datetime.fromtimestamp(growth.since, UTC):%Y-%m-%d}"


@dataclass(frozen=True)
class ChangedTables:
    """All tables, the largest first."""

    tables: tuple[ChangedTable, ...]

    @property
    def readings(self) -> dict[str, Counter]:
        """Counters by name, for later runs."""
        return {name: counter for each in self.tables for name, counter in each.counters.items()}

    def lines(self, earlier: dict[str, list[Counter]]) -> list[str]:
        """The tables as text, compared with the last run."""
        return [each.line(earlier) for each in self.tables]


class TableChanges(SqlFact[ChangedTables]):
    """Size of each table, and its inserted, updated and deleted rows."""

    sql = scripts.sql("facts/table_changes")

    def parse(self, result: Result, database: Database) -> ChangedTables:
        """Counters by kind and table, such as ``inserted public.messages``."""
        return ChangedTables(tuple(_changed(row) for row in result.require()))


def _changed(row: list[Any]) -> ChangedTable:
    name, size, *counts, since, now = row
    kinds = zip(("inserted", "updated", "deleted"), counts, strict=True)
    counters = {f"{kind} {name}": Counter(int(count), float(since), float(now), shared=True) for kind, count in kinds}
    return ChangedTable(str(name), None if size is None else int(size), counters)
