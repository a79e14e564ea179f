"""Databases that drills and restores left on the server."""

from dataclasses import dataclass

from opsproof.core import scripts
from opsproof.core.units import show
from opsproof.facts.base import SqlFact
from opsproof.inventory.resources import Database
from opsproof.postgres.connection import Result


@dataclass(frozen=True)
class LeftoverDatabase:
    """A database of a drill or restore: its size in bytes, and the seconds since the drill or restore began."""

    name: str
    size_bytes: int
    age_s: float

    def __str__(self) -> str:
        return f"{self.name}: {show(self.size_bytes, 'bytes')}, {show(self.age_s, 'seconds')} old"


class LeftoverDatabases(SqlFact[tuple[LeftoverDatabase, ...]]):
    """Databases made or replaced by drills and restores of a database, the oldest first: each has its size again."""

    sql = scripts.sql("facts/leftover_databases")

    def parse(self, result: Result, database: Database) -> tuple[LeftoverDatabase, ...]:
        """The name ends in the time of the drill or restore."""
        return tuple(LeftoverDatabase(str(name), int(size), float(age)) for name, size, age in result.require())
