"""The indexes that are rebuilt, and what interrupted builds have left."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from math import sqrt

from opsproof.errors import InventoryError
from opsproof.maintenance.session import Session
from opsproof.maintenance.tables import Name

MILLION = 1_000_000
RETUNE, RETIRED = "opsproof_retune_{oid}", "opsproof_retired_{oid}"
"""An index with better lists until it takes the place of another one, and that one after it; by the other's number."""


@dataclass(frozen=True)
class Index:
    """An index; `bytes` is its size, `table_bytes` that of its table with what lies beside it.

    `left_of` is the index that a build was for which left this one, or empty where that is not known, or None where it
    is none of those; `building` says that somebody is at work on it, or on an index of its table.
    """

    oid: int
    schema: str
    name: str
    table_schema: str
    table: str
    method: str
    bytes: int
    table_bytes: int
    rows: float
    valid: bool
    exclusion: bool
    attached: bool
    lists: int | None
    dimensions: int | None
    folder: str | None
    chosen: bool
    left_of: str | None
    building: bool
    owner: str
    owned: bool
    may: bool

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def is_vector(self) -> bool:
        """Whether it is one of pgvector's."""
        return self.method in ("ivfflat", "hnsw")

    @property
    def is_left(self) -> bool:
        """Whether it is of no use to anybody, and nobody is at work on it."""
        return self.left_of is not None and not self.building

    @property
    def expected_bytes(self) -> int:
        """The size of a new one: an invalid one says nothing of it."""
        return self.bytes if self.valid else max(self.bytes, self.table_bytes)

    @property
    def ideal_lists(self) -> int:
        """What pgvector advises for its rows: https://github.com/pgvector/pgvector#ivfflat."""
        return max(1, round(self.rows / 1000 if self.rows <= MILLION else sqrt(self.rows)))


@dataclass(frozen=True)
class Indexes:
    """Indexes as they are now."""

    chosen: tuple[Index, ...]
    left: tuple[Index, ...]


def look(session: Session, names: Iterable[Name]) -> Indexes:
    """The indexes called `names`, and what interrupted builds have left anywhere in the database.

    Raises:
        InventoryError: one is not there.
        MeasurementError: they cannot be seen.
    """
    said = session.ask("indexes.sql", names=json.dumps(list(names)))
    if said["missing"]:
        missing = ", ".join(".".join(each) for each in said["missing"])
        raise InventoryError(f"no index of {session.client.name} is called {missing}")
    found = [Index(**each) for each in said["indexes"]]
    return Indexes(
        tuple(each for each in found if each.chosen and each.left_of is None),
        tuple(each for each in found if each.is_left),
    )
