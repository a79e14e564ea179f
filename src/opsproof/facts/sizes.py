"""The largest tables and indexes."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from opsproof.database import Result
from opsproof.errors import OutputError
from opsproof.fact import SqlFact
from opsproof.facts.findings import statement
from opsproof.nouns import Database
from opsproof.quantities import show
from opsproof.samples import Counter


@dataclass(frozen=True)
class RelationSize:
    """A table with its TOAST table, or an index, and its size on the disk."""

    name: str
    is_index: bool
    size_bytes: int

    def line(self, earlier: Counter | None) -> str:
        """It in words, with how much it grew since an `earlier` reading."""
        said = f"{self.name}: {show(self.size_bytes, 'bytes')}"
        if earlier is None:
            return f"{said}, no earlier run is on record"
        grown = self.size_bytes - earlier.value
        day = datetime.fromtimestamp(earlier.now, UTC)
        return f"{said}, {'-' if grown < 0 else '+'}{show(abs(grown), 'bytes')} since {day:%Y-%m-%d}"


@dataclass(frozen=True)
class LargestRelations:
    """The ten largest tables and the ten largest indexes, the largest first, at the server's time `now`."""

    tables: tuple[RelationSize, ...]
    indexes: tuple[RelationSize, ...]
    now: float

    @property
    def largest_bytes(self) -> int:
        """Size of the largest table."""
        return self.tables[0].size_bytes


class RelationSizes(SqlFact[LargestRelations]):
    """Sizes of the tables and indexes that were the largest when they were last vacuumed or analyzed."""

    sql = statement("relation_sizes")

    def parse(self, result: Result, database: Database) -> LargestRelations:
        """The tables of the system at least are there."""
        rows = result.require()
        sizes = sorted((_size(row) for row in rows), key=lambda each: -each.size_bytes)
        if not sizes:
            raise OutputError("pg_class shows no table, not even its own")
        tables = [each for each in sizes if not each.is_index]
        return LargestRelations(
            tuple(tables[:10]), tuple(each for each in sizes if each.is_index)[:10], float(rows[0][3])
        )


def _size(row: list[Any]) -> RelationSize:
    is_index, name, size, _ = row
    return RelationSize(name, is_index, int(size))
