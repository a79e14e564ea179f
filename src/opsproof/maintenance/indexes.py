"""The indexes that are rebuilt, and what interrupted builds have left."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from opsproof.errors import InventoryError
from opsproof.facts.indexes import InvalidIndexes
from opsproof.facts.vector_indexes import ideal_lists
from opsproof.maintenance.session import Session
from opsproof.maintenance.tables import Name, named

RETUNE, RETIRED = "opsproof_retune_{oid}", "opsproof_retired_{oid}"
"""An index with better lists until it takes the place of another one, and that one after it; by the other's number."""
_PASSING = re.compile(r"_cc(new|old)\d*$|^opsproof_(retune|retired)_\d+$")
"""Names that are no loss: who is told of such an index may find that it was dropped meanwhile."""


@dataclass(frozen=True)
class Index:
    """An index; `bytes` is its size, `table_bytes` that of its table with what lies beside it.

    `ours` says that its name is one that --retune makes up; `building` that somebody is at work on it, or on an index
    of its table. `owned` is whether the role may do all that its owner may: MAINTAIN alone rebuilds an index, but
    cannot drop what a failed build leaves.
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
    ours: bool
    building: bool
    owner: str
    owned: bool

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def key(self) -> Name:
        """Its schema and name."""
        return self.schema, self.name

    @property
    def place(self) -> tuple[str, str]:
        """Its table, and within that itself."""
        return f"{self.table_schema}.{self.table}", str(self)

    @property
    def hindrance(self) -> str:
        """Why it cannot be built beside itself, whoever asks; empty where it can."""
        if self.schema == "pg_catalog":
            return "is of the system catalogs, and cannot be built beside itself: REINDEX INDEX locks it"
        return "is of an exclusion constraint, and cannot be built beside itself" if self.exclusion else ""

    @property
    def is_vector(self) -> bool:
        """Whether it is one of pgvector's."""
        return self.method in ("ivfflat", "hnsw")

    @property
    def expected_bytes(self) -> int:
        """The size of a new one: an invalid one says nothing of it."""
        return self.bytes if self.valid else max(self.bytes, self.table_bytes)

    @property
    def ideal_lists(self) -> int:
        """The lists that its rows ask for."""
        return max(1, round(ideal_lists(self.rows)))


@dataclass(frozen=True)
class Indexes:
    """Indexes as they are now: those to be built, and what is of no use to anybody while nobody is at work on it."""

    chosen: tuple[Index, ...]
    left: tuple[Index, ...]


def look(session: Session, names: Iterable[Name]) -> Indexes:
    """The indexes called `names`, and what interrupted builds have left anywhere in the database.

    Raises:
        InventoryError: one is not there.
        MeasurementError: they cannot be seen.
    """
    leftovers = {named(each.name) for each in session.measure(InvalidIndexes()).leftovers}
    parts = session.ask_by_name("indexes.sql", [*names, *leftovers])
    gone = [name for part in parts for name in part["missing"]]
    if missing := [f"{schema}.{name}" for schema, name in gone if not _PASSING.search(name)]:
        raise InventoryError(f"no index of {session.client.name} is called {', '.join(missing)}")
    found = list({each["oid"]: Index(**each) for part in parts for each in part["indexes"]}.values())
    left = [each for each in found if each.ours or each.key in leftovers]
    return Indexes(tuple(each for each in found if each not in left), tuple(each for each in left if not each.building))
