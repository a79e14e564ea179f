"""The indexes that are rebuilt, and what interrupted builds have left."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from opsproof.core.errors import InventoryError
from opsproof.facts.indexes import InvalidIndexes
from opsproof.facts.vector_indexes import FEW_ROWS, ideal_lists
from opsproof.maintenance.session import MaintenanceSession

RETUNE, RETIRED = "opsproof_retune_", "opsproof_retired_"
"""An index with better lists until it takes the place of another one, and that one after it, by the other's number."""
_PASSING = re.compile(r"_cc(new|old)\d*$|(^|\.)opsproof_(retune|retired)_\d+$")
"""Names that are no loss: who is told of such an index may find that it was dropped meanwhile."""


@dataclass(frozen=True)
class Index:
    """An index; `bytes` is its size, `table_bytes` that of its table with what lies beside it.

    `ours` says that its name is one that --retune makes up; `heir` is the name of what took its place. `building` says
    that somebody is at work on it, or on an index of its table. `owned` is whether the role may do all that its owner
    may: MAINTAIN alone rebuilds an index, but cannot drop what a failed build leaves. `agreed` says that the planner
    and the cumulative statistics know of about as many `rows`.
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
    agreed: bool
    valid: bool
    exclusion: bool
    attached: bool
    lists: int | None
    dimensions: int | None
    folder: str | None
    ours: bool
    heir: str | None
    building: bool
    owner: str
    owned: bool

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"

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

    @property
    def doubt(self) -> str:
        """Why nobody can tell how many lists its rows ask for; empty where they tell."""
        if not self.agreed:
            return "is on a table whose rows the server has not counted of late: run actions/analyze.py --table first"
        return f"is on {self.rows:.0f} rows: too few to tell how many lists they need" if self.rows < FEW_ROWS else ""


@dataclass(frozen=True)
class Indexes:
    """Indexes as they are now: those to be built, and what is of no use to anybody while nobody is at work on it."""

    chosen: tuple[Index, ...]
    left: tuple[Index, ...]


def look(session: MaintenanceSession, names: Iterable[str]) -> Indexes:
    """The indexes called `names`, in full, and what interrupted builds have left anywhere in the database.

    Raises:
        InventoryError: one is not there, or several may be meant.
        MeasurementError: they cannot be seen.
    """
    leftovers = {each.name for each in session.measure(InvalidIndexes()).leftovers}
    found = every(session, [*names, *leftovers])
    left = [each for each in found if each.ours or str(each) in leftovers]
    return Indexes(tuple(each for each in found if each not in left), tuple(each for each in left if not each.building))


def every(session: MaintenanceSession, names: Iterable[str]) -> list[Index]:
    """The indexes called `names`, in full, and all that have a name of ours.

    Raises:
        InventoryError: one is not there, or several may be meant.
        MeasurementError: they cannot be seen.
    """
    parts = session.ask_by_name("indexes", names)
    if missing := [name for part in parts for name in part["missing"] if not _PASSING.search(name)]:
        raise InventoryError(f"no index of {session.client.name} is called {', '.join(missing)}")
    return list({each["oid"]: Index(**each) for part in parts for each in part["indexes"]}.values())
