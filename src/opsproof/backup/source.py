"""The source of a dump: the database, the role and the client programs on the host."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from opsproof.backup_store import dump_folder
from opsproof.backup_store.omission import Omission, listed, losses, omissions
from opsproof.core import scripts
from opsproof.core.errors import CommandError, Refused
from opsproof.core.installation import rights_command
from opsproof.facts.not_dumped import NotDumped
from opsproof.inventory.backups import Backup
from opsproof.inventory.hosts import Host
from opsproof.postgres.dsn import as_role
from opsproof.postgres.psql import fed, later_options
from opsproof.transport.shell import Answer, Command, argv

APPLICATION = "opsproof_backup"
"""The application_name of dump sessions; the next backup terminates leftover sessions by the name."""
_ZSTD_INSIDE = re.compile(r"connection to server|could not connect|could not translate")
_PSQL = ("psql", "-XAtqw", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-d")
_NOT_DUMPED = f"PREPARE not_dumped AS {NotDumped.sql};\nEXECUTE not_dumped(current_user);"
_MAJOR = re.compile(r"\(PostgreSQL\) (\d+)")


@dataclass(frozen=True)
class Source:
    """Facts needed before a dump; sizes in bytes, `server` and `client` are major versions."""

    size_bytes: int
    server: int
    client: int
    version: str
    compression: str
    sees_all_rows: bool
    sees_passwords: bool
    unreadable: tuple[str, ...]
    not_dumped: tuple[Omission, ...]

    def require_everything(self, backup: Backup) -> None:
        """Refuses a dump that would fail half-way.

        Raises:
            Refused: the role may not dump everything, or the client is older than the server.
        """
        if self.client < self.server:
            raise Refused(
                f"{self.version} is older than the server ({self.server}) and cannot dump it: install a newer client"
            )
        if not self.sees_all_rows:
            raise Refused(
                f"{backup.user} does not bypass row-level security, so pg_dump would fail half-way: "
                f"ALTER ROLE {backup.user} BYPASSRLS, as the SQL of {rights_command('backup.sql')} does"
            )
        if self.unreadable:
            raise Refused(f"{backup.user} may not read {', '.join(self.unreadable[:5])}: GRANT pg_read_all_data")
        require_no_losses(self.not_dumped, backup)


def require_no_losses(found: Iterable[Omission], backup: Backup) -> None:
    """Refuses a dump without things that a restore would lose.

    Raises:
        Refused: `not_dumped` of the backup declares not all of them.
    """
    if lost := losses(found, backup):
        only_passwords = all(each.kind == "passwords" for each in lost)
        way = f"GRANT pg_read_all_data TO {backup.user}" if only_passwords else "dump as a superuser"
        raise Refused(
            f"pg_dump as {backup.user} leaves out {listed(lost)}: {way}, or declare not_dumped = "
            f'{{ "{lost[0]}" = "reason" }}'
        )


def conninfo(host: Host, backup: Backup, **parameters: str) -> str:
    """The connection string for client programs on the host, with extra `parameters` and without a password.

    Raises:
        DatabaseError: the declared dsn is invalid.
    """
    database = host.databases[backup.database]
    more = {"passfile": backup.passfile} if backup.passfile and not database.container else {}
    inside = bool(database.container)
    return as_role(database.dsn, backup.user, inside=inside, **{"application_name": APPLICATION, **more, **parameters})


def commands(host: Host, backup: Backup) -> tuple[Command, ...]:
    """The commands whose answers `parse` turns into a `Source`; they change nothing."""
    client = dump_folder.client(host, backup)
    return (
        argv(*client, "pg_dump", "--version"),
        # pg_dump checks the compression method before it connects; the host does not exist.
        argv(*client, "pg_dump", "--format=custom", "--compress=zstd:1", "-d", "host=/nonexistent"),
        argv("zstd", "--version"),
        argv(*fed(f"{scripts.sql('backup/rights')};"), *client, *_PSQL, conninfo(host, backup), timeout_s=60),
        argv(*fed(_NOT_DUMPED), *client, *_PSQL, conninfo(host, backup), timeout_s=60),
    )


def parse(answers: Sequence[Answer]) -> Source:
    """The source described by the answers to `commands`.

    Raises:
        MeasurementError: a command failed, or no zstd is available.
    """
    version, trial, zstd, rights, not_dumped = answers
    said = version.require("pg_dump --version").stdout.strip()
    inside = _ZSTD_INSIDE.search(trial.stderr) is not None
    if not inside and zstd.status != 0:
        raise CommandError(f"{said} was built without zstd, and zstd is not installed: apt-get install zstd")
    found: dict[str, Any] = json.loads(rights.require("psql").stdout)
    alien = ["large objects of other roles"] if found["alien_large_objects"] else []
    return Source(
        size_bytes=int(found["bytes"]),
        server=int(found["version_num"]) // 10000,
        client=int(_MAJOR.findall(said)[0]),
        version=said,
        compression="zstd" if inside else "wrapped",
        sees_all_rows=bool(found["sees_all_rows"]),
        sees_passwords=bool(found["sees_passwords"]),
        unreadable=(*map(str, found["unreadable"]), *alien),
        not_dumped=omissions(json.loads(not_dumped.require("psql").stdout)),
    )


def dump_command(host: Host, backup: Backup, set_name: str, source: Source) -> Command:
    """The command that makes the set `set_name`."""
    passwords = "with" if source.sees_passwords else "without"
    lock_ms = f"{backup.lock_wait * 1000:.0f}"
    where = conninfo(host, backup, options=later_options(source.server * 10000))
    words = (backup.folder, set_name, source.compression, where, lock_ms, passwords)
    queries = (contents(), _NOT_DUMPED, scripts.sql("backup/tables"), scripts.sql("backup/rows"))
    program = ("perl", "-e", scripts.perl("backup/set", "backup/dump"), "--", *words, *queries)
    return argv(*program, *dump_folder.client(host, backup), timeout_s=backup.timeout)


def progress_command(host: Host, backup: Backup, script: str) -> Command:
    """The command that asks the server for the progress of a dump; it waits for no lock longer than 1 s."""
    more = {"application_name": f"{APPLICATION}_watch", "options": "-c lock_timeout=1s -c statement_timeout=4s"}
    psql = (*dump_folder.client(host, backup), *_PSQL, conninfo(host, backup, **more))
    return argv(*fed(f"{scripts.sql(f'backup/{script}')};"), *psql, timeout_s=5)


def contents() -> str:
    """The query for the properties of a database in a manifest, with digests of the schema."""
    return scripts.sql("backup/contents")
