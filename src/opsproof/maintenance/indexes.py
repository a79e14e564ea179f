"""Indexes to rebuild, and leftovers of interrupted builds."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from opsproof.core.errors import InventoryError
from opsproof.core.installation import action_title
from opsproof.facts.indexes import InvalidIndexes
from opsproof.facts.vector_indexes import FEW_ROWS, ideal_lists
from opsproof.maintenance.session import MaintenanceSession

RETUNE, RETIRED = "opsproof_retune_", "opsproof_retired_"
"""Name prefixes of --retune: replacement before the swap, replaced index after it; the counterpart's OID follows."""
_PASSING = re.compile(r"_cc(new|old)\d*$|(^|\.)opsproof_(retune|retired)_\d+$")
"""Names of leftovers, which may be dropped between two queries: a missing leftover is no error."""


@dataclass(frozen=True)
class Index:
    """An index: `bytes` is the size of the index, `table_bytes` the size of the table with TOAST.

    `ours`: the name has a prefix of --retune. `heir`: name of the index that replaced it, or None. `building`: another
    session builds an index of the same table. `owned`: the role has all rights of the owner; with MAINTAIN alone it can
    rebuild, but not drop leftovers of a failed build. `agreed`: planner and cumulative statistics have similar `rows`.
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
        """Table and index, each with schema: identifies a step's part."""
        return f"{self.table_schema}.{self.table}", str(self)

    @property
    def rebuild_obstacle(self) -> str:
        """Why a concurrent rebuild is impossible; else empty."""
        if self.schema == "pg_catalog":
            return "is on a system catalog and cannot be rebuilt concurrently: REINDEX INDEX locks it"
        return "belongs to an exclusion constraint and cannot be rebuilt concurrently" if self.exclusion else ""

    @property
    def is_vector(self) -> bool:
        """Whether the access method is pgvector's."""
        return self.method in ("ivfflat", "hnsw")

    @property
    def expected_bytes(self) -> int:
        """Expected size of a new build; for an invalid index, whose own size means little, at least the table's."""
        return self.bytes if self.valid else max(self.bytes, self.table_bytes)

    @property
    def ideal_lists(self) -> int:
        """The number of lists that suits the rows."""
        return max(1, round(ideal_lists(self.rows)))

    @property
    def doubt(self) -> str:
        """Why the ideal number of lists is unknown; else empty."""
        if not self.agreed:
            return f"is on a table with an outdated row count: run {action_title('analyze')} --table first"
        return f"has {self.rows:.0f} rows: too few to determine the number of lists" if self.rows < FEW_ROWS else ""


@dataclass(frozen=True)
class Indexes:
    """The indexes to build, and idle leftovers of interrupted builds."""

    chosen: tuple[Index, ...]
    left: tuple[Index, ...]


def find(session: MaintenanceSession, names: Iterable[str]) -> Indexes:
    """The indexes called `names` (schema.index), and leftovers of interrupted builds in the whole database.

    Raises:
        InventoryError: an index name is unknown or ambiguous.
        MeasurementError: the query failed.
    """
    leftovers = {each.name for each in session.measure(InvalidIndexes()).leftovers}
    found = read(session, [*names, *leftovers])
    left = [each for each in found if each.ours or str(each) in leftovers]
    return Indexes(tuple(each for each in found if each not in left), tuple(each for each in left if not each.building))


def read(session: MaintenanceSession, names: Iterable[str]) -> list[Index]:
    """The indexes called `names` (schema.index), and all with a prefix of --retune.

    Raises:
        InventoryError: an index name is unknown or ambiguous.
        MeasurementError: the query failed.
    """
    parts = session.ask_by_name("indexes", names)
    if missing := [name for part in parts for name in part["missing"] if not _PASSING.search(name)]:
        raise InventoryError(f"no index of {session.client.name} is called {', '.join(missing)}")
    return list({each["oid"]: Index(**each) for part in parts for each in part["indexes"]}.values())
