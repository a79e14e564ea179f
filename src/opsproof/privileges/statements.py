"""The SQL files for the roles of an inventory: one for each role and database."""

import re
from collections.abc import Iterable

from opsproof.core import scripts
from opsproof.core.errors import InventoryError
from opsproof.inventory.hosts import Host
from opsproof.inventory.resources import Database, VectorIndex
from opsproof.postgres import dsn
from opsproof.postgres.quoting import identifier, qualified
from opsproof.privileges.files import PrivilegeFile
from opsproof.round.clients import line
from opsproof.round.target import Target

_ROLE = re.compile(r"[A-Za-z0-9_.@-]+")
_COLUMNS = (
    "\n-- For each declared vector index: the schema of its table, the column, and the column of a declared filter.\n"
)
MONITOR, BACKUP, MAINTAIN, LOAD = "opsproof_monitor", "opsproof_backup", "opsproof_maintain", "opsproof_load"
"""The names of the roles in the shipped files, replaced by the roles of the inventory."""


def of_host(host: Host) -> list[PrivilegeFile]:
    """The files for the databases of `host`; none for roles that are superusers.

    Raises:
        InventoryError: the name of a role cannot stand in the files.
        DatabaseError: libpq cannot parse a dsn.
    """
    return [file for name, database in host.databases.items() for file in _of_database(host, name, database)]


def _of_database(host: Host, name: str, database: Database) -> list[PrivilegeFile]:
    monitor = monitor_of(database)
    roles = {MONITOR: monitor, MAINTAIN: database.maintenance_user}
    made = [_file(host, name, "monitor", roles, monitor)]
    indexes = [each for each in host.vector_indexes.values() if each.database == name]
    made += [_recall(host, name, roles, indexes)] if indexes else []
    backups = [each for each in host.backups.values() if each.database == name and each.engine == "pg_dump"]
    made += [_file(host, name, "backup", {BACKUP: each}, each) for each in sorted({each.user for each in backups})]
    made += [_file(host, name, "load", {LOAD: each}, each) for each in sorted({each.load_user for each in backups})]
    made += [_file(host, name, "maintain", roles, database.maintenance_user)]
    return [each for each in made if each is not None]


def monitor_of(database: Database) -> str:
    """The role of the rounds.

    Raises:
        InventoryError: the dsn names no user.
    """
    user = str(dsn.parsed(database.dsn).get("user", ""))
    if not user:
        raise InventoryError(f"the dsn {database.dsn!r} names no user: add user={MONITOR}")
    return user


def _file(host: Host, name: str, kind: str, roles: dict[str, str], role: str) -> PrivilegeFile | None:
    """The file of a `kind` for a `role`; None without a role, and for a superuser, who needs no grants."""
    if not role or role in host.databases[name].superusers:
        return None
    return _installed(host, name, kind, _renamed(scripts.sql(f"privileges/{kind}"), roles), role)


def _recall(host: Host, name: str, roles: dict[str, str], indexes: Iterable[VectorIndex]) -> PrivilegeFile:
    grants = dict.fromkeys(grant for each in indexes for grant in _grants(each))
    content = _renamed(scripts.sql("privileges/recall"), roles) + _COLUMNS + "\n".join(grants)
    return _installed(host, name, "recall", f"{content}\nRESET search_path;\n", "")


def _grants(index: VectorIndex) -> list[str]:
    columns = ", ".join(identifier(each) for each in ("ctid", index.column, index.filter) if each)
    return [
        f"GRANT USAGE ON SCHEMA {identifier(index.table.partition('.')[0])} TO opsproof_recall;",
        f"GRANT SELECT ({columns}) ON {qualified(index.table)} TO opsproof_recall;",
    ]


def _renamed(text: str, roles: dict[str, str]) -> str:
    for shipped, role in roles.items():
        if role and role != shipped:
            text = text.replace(shipped, _role(role))
    return text


def _role(name: str) -> str:
    if not _ROLE.fullmatch(name):
        raise InventoryError(f"the role {name!r} cannot stand in the SQL files: choose letters, digits, . _ @ and -")
    return name if name in (MONITOR, BACKUP, MAINTAIN, LOAD) else identifier(name)


def _installed(host: Host, name: str, kind: str, content: str, role: str) -> PrivilegeFile:
    """The file with its commands: psql as a superuser, then the prompt for the password of `role`."""
    file = f"{kind}.sql" if len(host.databases) == 1 else f"{kind}-{name}.sql"
    target = Target(host, name, host.databases[name])
    commands = [f"{line(target, ['psql', '-X', '-v', 'ON_ERROR_STOP=1'])} < {file}"]
    needs_password = role and (kind == "monitor" or not target.database.container)  # the container's socket is trusted
    commands += [line(target, ["psql", "-c", f"\\password {_role(role)}"])] if needs_password else []
    place = target.place(["psql"])
    return PrivilegeFile(file, content, tuple(each.removeprefix(place) for each in commands), f"database {name}")
