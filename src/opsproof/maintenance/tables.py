"""The tables that are vacuumed and analyzed: partitioned ones by their leaves."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from opsproof.errors import InventoryError, Refused
from opsproof.maintenance.session import Session

Name = tuple[str, str]
"""Schema and table."""


@dataclass(frozen=True)
class Table:
    """A table that holds rows itself.

    `vacuumed` and `analyzed` are in seconds since 1970, or None; `age` is in transactions; `may` says whether the role
    may maintain it.
    """

    schema: str
    name: str
    bytes: int
    dead: int | None
    vacuumed: float | None
    analyzed: float | None
    age: int
    owner: str
    may: bool

    @property
    def key(self) -> Name:
        """Its schema and name."""
        return self.schema, self.name

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True)
class Tables:
    """Tables as they are at the moment `now`, and the partitioned ones among those asked for, as `roots`."""

    tables: tuple[Table, ...]
    roots: tuple[Name, ...]
    now: float

    def require_rights(self, user: str) -> None:
        """Says no where the role may not maintain each of them.

        Raises:
            Refused: it may not.
        """
        if denied := [each for each in self.tables if not each.may]:
            names, owners = _few([str(each) for each in denied]), _few(sorted({each.owner for each in denied}))
            raise Refused(f"{user} may not maintain {names}: GRANT {owners} TO {user}, or from 17 on GRANT pg_maintain")


def named(word: str) -> Name:
    """The schema and the name that a word of the command line or the inventory means; public where it names none."""
    schema, dot, name = word.partition(".")
    return (schema, name) if dot else ("public", schema)


def look(session: Session, names: Iterable[Name]) -> Tables:
    """The tables called `names`, as they are now.

    Raises:
        InventoryError: one is not there.
        MeasurementError: they cannot be seen.
    """
    said = session.ask("tables.sql", names=json.dumps(list(names)))
    if said["missing"]:
        missing = _few([".".join(each) for each in said["missing"]])
        raise InventoryError(f"no table of {session.client.name} is called {missing}")
    tables = tuple(Table(**each) for each in said["tables"])
    return Tables(tables, tuple((schema, name) for schema, name in said["roots"]), float(said["now"]))


def _few(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
