"""Omissions of dumps, for lack of rights or by the design of pg_dump."""

from dataclasses import dataclass

from opsproof.backup_store.omission import Omission, losses, omissions
from opsproof.core import scripts
from opsproof.facts.base import SqlResourceFact
from opsproof.inventory.backups import Backup
from opsproof.postgres.connection import Result

_SHOWING = {
    "subscription": "SELECT subname, subenabled FROM pg_catalog.pg_subscription",
    "options of user mapping": "SELECT srvname, usename FROM pg_catalog.pg_user_mappings",
    "rows of unlogged table": "SELECT oid::regclass FROM pg_catalog.pg_class WHERE relpersistence = 'u'",
    "passwords": "SELECT rolname FROM pg_catalog.pg_authid WHERE rolpassword IS NOT NULL",
    "object": "SELECT oid::regprocedure::text FROM pg_catalog.pg_proc "
    "WHERE pronamespace = 'pg_catalog'::regnamespace AND oid >= 16384 "
    "UNION ALL SELECT oid::regoperator::text FROM pg_catalog.pg_operator "
    "WHERE oprnamespace = 'pg_catalog'::regnamespace AND oid >= 16384 "
    "UNION ALL SELECT oid::regtype::text FROM pg_catalog.pg_type "
    "WHERE typnamespace = 'pg_catalog'::regnamespace AND oid >= 16384",
}
"""Statements of a superuser to show the omissions, by kind."""


@dataclass(frozen=True)
class BackupOmissions:
    """Omissions of the dumps of a backup: `all`, and the `losses`, undeclared in `not_dumped`."""

    all: tuple[Omission, ...]
    losses: tuple[Omission, ...]

    @property
    def statements(self) -> list[str]:
        """Statements of a superuser to show the losses."""
        return list(dict.fromkeys(_SHOWING[each.kind] for each in self.losses))


class NotDumped(SqlResourceFact[Backup, BackupOmissions]):
    """Omissions of pg_dump without an error, run by the role of a backup; by the catalogs."""

    resource = "dumped_backup"
    sql = scripts.sql("facts/not_dumped")

    def values(self, name: str, resource: Backup) -> list[str]:
        """The role."""
        return [resource.user]

    def parse(self, result: Result, resource: Backup) -> BackupOmissions:
        """The omissions, declared ones included."""
        ((found,),) = result.require()
        every = omissions(found)
        return BackupOmissions(every, tuple(losses(every, resource)))
