"""The roles that an archive needs, and that the server lacks."""

import shlex
from collections.abc import Iterable

from opsproof.action import Work
from opsproof.core import scripts
from opsproof.core.errors import Refused
from opsproof.postgres.dsn import of_person
from opsproof.restore.archive import DumpArchive
from opsproof.restore.server import MAINTENANCE, RestoreClient


def require(work: Work, client: RestoreClient, archive: DumpArchive, roles: Iterable[str]) -> None:
    """Requires `roles`, and the owner in the manifest.

    Raises:
        Refused: roles are missing; the message has the command that creates them.
        MeasurementError: the server cannot be read.
    """
    owner = [str(archive.manifest.server["owner"])] if archive.manifest else []
    names = "\n".join(sorted({*roles, *owner}))
    query = client.sql(scripts.sql("restore/missing_roles"), names=names, loader=client.backup.load_user)
    missing = work.ask(query)[0].require("psql").stdout.splitlines()
    if missing:
        raise Refused(f"{archive.name} needs missing roles: {', '.join(missing)}; {_advice(client, archive)}")


def _advice(client: RestoreClient, archive: DumpArchive) -> str:
    if not archive.roles:
        return "create them first"
    if archive.roles.endswith(".partial"):
        return f"load {archive.name}.globals.sql of the copy first"
    psql = shlex.join(client.program("psql", "-X", "-d", _conninfo(client)).argv)
    return f"load them first, with attributes and passwords of all roles: {psql} < {shlex.quote(archive.roles)}"


def _conninfo(client: RestoreClient) -> str:
    dsn = "" if client.container else client.host.databases[client.backup.database].dsn
    return of_person(dsn, client.user, MAINTENANCE)
