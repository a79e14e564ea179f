"""Whether the roles of backups may read everything that they dump."""

from dataclasses import dataclass

from opsproof.core import scripts
from opsproof.facts.base import SqlResourceFact
from opsproof.inventory.backups import Backup
from opsproof.postgres.connection import Result
from opsproof.postgres.quoting import identifier

SHOWN = 3
"""Number of relations and large objects named in a message."""


@dataclass(frozen=True)
class BackupRole:
    """Rights of a backup role: `unreadable` relations as schema.name, and large objects by their oid."""

    name: str
    exists: bool
    connects: bool
    bypasses_policies: bool
    unreadable: tuple[str, ...]
    large_objects: tuple[str, ...]

    @property
    def obstacles(self) -> list[str]:
        """Reasons for which a dump by the role fails or is incomplete."""
        if not self.exists:
            return [f"{self.name} does not exist"]
        found = {
            f"{self.name} cannot connect": not self.connects,
            f"{self.name} does not bypass row-level security": not self.bypasses_policies,
            f"{self.name} may not read {_some(self.unreadable)}": self.unreadable,
            f"{self.name} may not read large objects {_some(self.large_objects)}": self.large_objects,
        }
        return [obstacle for obstacle, is_found in found.items() if is_found]

    @property
    def repairs(self) -> list[str]:
        """Statements of a superuser that remove the obstacles."""
        role = identifier(self.name)
        if not self.exists:
            return [f"CREATE ROLE {role} LOGIN BYPASSRLS IN ROLE pg_read_all_data"]
        found = {
            f"ALTER ROLE {role} LOGIN": not self.connects,
            f"ALTER ROLE {role} BYPASSRLS": not self.bypasses_policies,
            f"GRANT pg_read_all_data TO {role}": self.unreadable,
        }
        large = [f"GRANT SELECT ON LARGE OBJECT {oid} TO {role}" for oid in self.large_objects[:SHOWN]]
        return [*(statement for statement, is_needed in found.items() if is_needed), *large]


def _some(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


class BackupRoles(SqlResourceFact[Backup, BackupRole]):
    """Rights of the role of each dumped backup, by the catalogs."""

    resource = "dumped_backup"
    sql = scripts.sql("facts/backup_role")

    def values(self, name: str, resource: Backup) -> list[str]:
        """The role."""
        return [resource.user]

    def parse(self, result: Result, resource: Backup) -> BackupRole:
        """The rights; a missing role has none."""
        ((connects, bypasses, unreadable, large_objects),) = result.require()
        return BackupRole(
            name=resource.user,
            exists=connects is not None,
            connects=bool(connects),
            bypasses_policies=bool(bypasses),
            unreadable=tuple(map(str, unreadable or ())),
            large_objects=tuple(map(str, large_objects or ())),
        )
