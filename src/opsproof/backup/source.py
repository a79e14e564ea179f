"""The database that a backup is made of, and the client that makes it: asked and started on the host."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from opsproof.backup_store import dump_folder
from opsproof.core import scripts
from opsproof.core.errors import CommandError, Refused
from opsproof.inventory.hosts import Host
from opsproof.inventory.resources import Backup
from opsproof.postgres.dsn import as_role
from opsproof.transport.shell import Answer, Command, argv

APPLICATION = "opsproof_backup"
"""The name of our sessions, by which the next backup ends what an interrupted one left in a container."""
_ZSTD_INSIDE = re.compile(r"connection to server|could not connect|could not translate")
_PSQL = ("psql", "-XAtqw", "-F", "\t", "-d")
_MAJOR = re.compile(r"\(PostgreSQL\) (\d+)")


@dataclass(frozen=True)
class Source:
    """What a dump needs to know beforehand; sizes in bytes, versions are major ones."""

    size_bytes: int
    server: int
    client: int
    version: str
    compression: str
    sees_all_rows: bool
    sees_passwords: bool
    unreadable: tuple[str, ...]

    def require_everything(self, backup: Backup) -> None:
        """Says no where a dump would fail half-way.

        Raises:
            Refused: the role may not read everything, or the client is older than the server.
        """
        if self.client < self.server:
            raise Refused(f"the client is {self.version}, and the server {self.server}: an older client cannot dump it")
        if not self.sees_all_rows:
            raise Refused(
                f"{backup.user} does not bypass row-level security, so that a dump fails half-way: "
                f"ALTER ROLE {backup.user} BYPASSRLS, as docs/privileges.md has it"
            )
        if self.unreadable:
            raise Refused(f"{backup.user} may not read {', '.join(self.unreadable[:5])}: GRANT pg_read_all_data")


def conninfo(host: Host, backup: Backup, **parameters: str) -> str:
    """How the client's programs reach the database on the host, with other `parameters`: no password is in it.

    Raises:
        DatabaseError: the declared dsn cannot be read.
    """
    database = host.databases[backup.database]
    more = {"passfile": backup.passfile} if backup.passfile and not database.container else {}
    inside = bool(database.container)
    return as_role(database.dsn, backup.user, inside=inside, **{"application_name": APPLICATION, **more, **parameters})


def commands(host: Host, backup: Backup) -> tuple[Command, ...]:
    """What the host is asked for a `Source`; nothing is changed."""
    client = dump_folder.client(host, backup)
    return (
        argv(*client, "pg_dump", "--version"),
        # It looks at the compression before it looks for a server, and there is none of this name.
        argv(*client, "pg_dump", "--format=custom", "--compress=zstd:1", "-d", "host=/nonexistent"),
        argv("zstd", "--version"),
        argv(*client, *_PSQL, conninfo(host, backup), "-c", scripts.sql("backup/rights"), timeout_s=60),
    )


def parse(answers: Sequence[Answer]) -> Source:
    """What the answers to `commands` tell.

    Raises:
        MeasurementError: they do not tell it.
    """
    version, trial, zstd, rights = answers
    said = version.require("pg_dump --version").stdout.strip()
    inside = _ZSTD_INSIDE.search(trial.stderr) is not None
    if not inside and zstd.status != 0:
        raise CommandError(f"{said} has no zstd, and neither has the host: apt-get install zstd")
    if rights.status == 2 and rights.stderr:  # its last line says where it found the password
        raise CommandError(f"psql: {rights.stderr.splitlines()[0]}")
    found: dict[str, Any] = json.loads(rights.require("psql").stdout)
    alien = ["large objects of others"] if found["alien_large_objects"] else []
    return Source(
        size_bytes=int(found["bytes"]),
        server=int(found["version_num"]) // 10000,
        client=int(_MAJOR.findall(said)[0]),
        version=said,
        compression="zstd" if inside else "wrapped",
        sees_all_rows=bool(found["sees_all_rows"]),
        sees_passwords=bool(found["sees_passwords"]),
        unreadable=(*map(str, found["unreadable"]), *alien),
    )


def dump_command(host: Host, backup: Backup, set_name: str, of: Source) -> Command:
    """The command that makes the backup called `set_name`."""
    passwords = "with" if of.sees_passwords else "without"
    lock_ms = f"{backup.lock_wait * 1000:.0f}"
    words = (backup.folder, set_name, of.compression, conninfo(host, backup), lock_ms, passwords)
    asked = (scripts.sql("backup/contents"), scripts.sql("backup/rows"))
    program = ("perl", "-e", scripts.perl("backup/dump"), "--", *words, *asked, *dump_folder.client(host, backup))
    return argv(*program, timeout_s=backup.timeout)


def progress_command(host: Host, backup: Backup, script: str) -> Command:
    """The command that asks the server for the progress of a dump; it waits for no lock longer than 1 s."""
    more = {"application_name": f"{APPLICATION}_watch", "options": "-c lock_timeout=1s -c statement_timeout=4s"}
    psql = (*dump_folder.client(host, backup), *_PSQL, conninfo(host, backup, **more))
    return argv(*psql, "-c", scripts.sql(f"backup/{script}"), timeout_s=5)


def contents() -> tuple[str, str]:
    """The queries of a manifest: one that tells what a database is, and one that makes those that count its rows."""
    return scripts.sql("backup/contents"), scripts.sql("backup/rows")
