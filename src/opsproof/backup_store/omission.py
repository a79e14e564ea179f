"""Omissions of a dump, and the declared exceptions."""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from opsproof.inventory.backups import Backup

OUTSIDE = ("replication slot", "rows of extension table", "rows of foreign table")
"""Kinds of omissions for every role: the rows of a foreign table, for example, are on another server."""
SHOWN = 5


@dataclass(frozen=True)
class Omission:
    """An object, or a part of an object, that pg_dump leaves out without an error."""

    kind: str
    name: str

    def __str__(self) -> str:
        """Kind and name, as `not_dumped` of a backup declares both."""
        return f"{self.kind} {self.name}"

    def is_declared(self, backup: Backup) -> bool:
        """Whether `not_dumped` of the backup has the omission, perhaps by a pattern with ``*``."""
        return any(str(self) == each or fnmatchcase(str(self), each) for each in backup.not_dumped)


def omissions(pairs: Iterable[tuple[str, str]]) -> tuple[Omission, ...]:
    """The omissions from pairs of kind and name."""
    return tuple(Omission(kind, name) for kind, name in pairs)


def losses(found: Iterable[Omission], backup: Backup) -> list[Omission]:
    """The undeclared omissions, lost by a restore."""
    return [each for each in found if each.kind not in OUTSIDE and not each.is_declared(backup)]


def listed(found: Iterable[Omission]) -> str:
    """The first omissions, and the number of further omissions; empty without omissions."""
    names = [str(each) for each in found]
    more = [f"{len(names) - SHOWN} more"] if len(names) > SHOWN else []
    return ", ".join([*names[:SHOWN], *more])
