"""The tables to vacuum or analyze; a partitioned table includes its leaf partitions."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from opsproof.core.errors import InventoryError
from opsproof.maintenance.session import MaintenanceSession


@dataclass(frozen=True)
class Table:
    """A table; a `root` is partitioned and holds no rows itself.

    `within`: a requested root that the role may maintain contains the table. `vacuumed`, `analyzed`: seconds since
    1970, or None. `age`: in transactions; `multixacts`: in multixact IDs. `catalog`: logical decoding reads the table
    like a system catalog. `may`: the role may maintain the table.
    """

    schema: str
    name: str
    root: bool
    within: bool
    bytes: int
    dead: int | None
    vacuumed: float | None
    analyzed: float | None
    age: int
    multixacts: int
    catalog: bool
    owner: str
    may: bool

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True)
class MaintainedTables:
    """The state of tables at `now` (seconds since 1970): tables with rows, and requested partitioned tables."""

    every: tuple[Table, ...]
    now: float

    @property
    def leaves(self) -> list[Table]:
        """The tables that hold rows, smallest first."""
        return sorted((each for each in self.every if not each.root), key=lambda each: each.bytes)

    @property
    def roots(self) -> list[Table]:
        """The partitioned tables."""
        return [each for each in self.every if each.root]

    @property
    def permitted(self) -> "MaintainedTables":
        """The tables that the role may maintain."""
        return replace(self, every=tuple(each for each in self.every if each.may))

    def denied(self, user: str) -> str:
        """Which tables the role may not maintain, and the missing GRANT; empty if all are permitted."""
        denied = [each for each in self.every if not each.may]
        if not denied:
            return ""
        names, owners = _few([str(each) for each in denied]), _few(sorted({each.owner for each in denied}))
        more = f"or (PostgreSQL 17 and later) GRANT pg_maintain TO {user} and USAGE on the schema"
        return f"{user} may not maintain {names}: GRANT {owners} TO {user}, {more}"


def qualify(word: str) -> str:
    """The name with its schema, by default public."""
    return word if "." in word else f"public.{word}"


def find(session: MaintenanceSession, names: Iterable[str] | Literal["users", "all"]) -> MaintainedTables:
    """The tables called `names` (schema.table); "users": all but system tables; "all": all tables.

    Raises:
        InventoryError: a table name is unknown or ambiguous.
        MeasurementError: the query failed.
    """
    if isinstance(names, str):
        parts = [session.ask("tables", names=json.dumps(names))]
    else:
        parts = session.ask_by_name("tables", names)
    if missing := [name for part in parts for name in part["missing"]]:
        raise InventoryError(f"no table of {session.client.name} is called {_few(missing)}")
    found = {(each["schema"], each["name"]): Table(**each) for part in parts for each in part["tables"]}
    return MaintainedTables(tuple(found.values()), float(parts[0]["now"]))


def _few(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
