"""The tables that are vacuumed and analyzed: partitioned ones by their leaves."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from opsproof.core.errors import InventoryError
from opsproof.maintenance.session import MaintenanceSession


@dataclass(frozen=True)
class Table:
    """A table: a `root` is a partitioned one, which holds no row.

    `within` says that one that was asked for, and that the role may maintain, is its root. `vacuumed` and
    `analyzed` are in seconds since 1970, or None; `age` is in transactions, `multixacts` in those; `catalog` says that
    logical decoding reads it, as it does the server's own; `may` says whether the role may maintain it.
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
    """Tables as they are at the moment `now`: those that hold rows, and partitioned ones that were asked for."""

    every: tuple[Table, ...]
    now: float

    @property
    def leaves(self) -> list[Table]:
        """Those that hold rows, the smallest first."""
        return sorted((each for each in self.every if not each.root), key=lambda each: each.bytes)

    @property
    def roots(self) -> list[Table]:
        """The partitioned ones."""
        return [each for each in self.every if each.root]

    @property
    def permitted(self) -> "MaintainedTables":
        """Those of them that the role may maintain."""
        return replace(self, every=tuple(each for each in self.every if each.may))

    def denied(self, user: str) -> str:
        """What the role may not maintain of them, and what lets it; nothing where it may maintain each."""
        denied = [each for each in self.every if not each.may]
        if not denied:
            return ""
        names, owners = _few([str(each) for each in denied]), _few(sorted({each.owner for each in denied}))
        more = "or from PostgreSQL 17 on pg_maintain with USAGE on the schema"
        return f"{user} may not maintain {names}: GRANT {owners} TO {user}, {more}"


def in_full(word: str) -> str:
    """The whole name that a word of the user's means, as facts tell names: in public where it names no schema."""
    return word if "." in word else f"public.{word}"


def look(session: MaintenanceSession, names: Iterable[str] | Literal["users", "all"]) -> MaintainedTables:
    """The tables called `names`, in full, as they are now; or those of users, or those of the server too.

    Raises:
        InventoryError: one is not there, or several may be meant.
        MeasurementError: they cannot be seen.
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
