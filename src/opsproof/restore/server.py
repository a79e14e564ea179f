"""The server for restores: databases with restore marks, and PostgreSQL client programs on the host."""

import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from opsproof.backup_store import dump_folder
from opsproof.core import scripts
from opsproof.facts.containers import Containers, ContainerState
from opsproof.inventory.backups import Backup
from opsproof.inventory.hosts import Host
from opsproof.postgres.dsn import as_role, name_of, of_person
from opsproof.postgres.psql import LATER_FROM, fed
from opsproof.transport.shell import Answer, Command, argv

APPLICATION = "opsproof_restore"
MAINTENANCE = "postgres"
"""The database to connect to while databases are created, renamed and dropped."""
SUFFIX_BYTES = len("_restoring_20261125T021500Z")
NAME_BYTES = 63
"""Longest identifier of PostgreSQL: https://www.postgresql.org/docs/current/limits.html."""
_NAME = re.compile(r"_(drill|restoring|comparing|before)_\d{8}T\d{6}Z$")
PSQL = ("-XAtqw", "-F", "\t", "-v", "ON_ERROR_STOP=1")
"""psql options for machine-readable output: unaligned, tab-separated, stop at the first error."""

Kind = Literal["drill", "restoring", "comparing", "before"]
Way = Literal["try", "always", "insist"]
"""How in_turn.pl runs a command: try is skipped after a failure, always is not, insist also retries for a minute."""


@dataclass(frozen=True)
class DatabaseMark:
    """Progress of a restore: state, and the archive that was restored into or over this database."""

    word: str = ""
    archive: str = ""


MADE = "made"
"""Created by a restore or a drill; not yet compared."""
VERIFIED = "verified"
"""Restored and compared."""
DIFFERS = "differs"
"""Restored and compared: whole, but definitions differ; kept for --accept-differences."""
FLAWED = "flawed"
"""Restored and compared: rows are missing, or an index is not valid; kept for a person to decide."""
SWAPPING = "swapping"
"""Verified, and processes may be stopped for the swap."""
TRIED = "tried"
"""Live for a while, then swapped back: the content may have changed since verification."""
SWAPPED = "swapped"
"""Live before the swap; the processes may still be stopped."""
REPLACED = "replaced"
"""Live before the swap; the restore is complete."""


@dataclass(frozen=True)
class ServerDatabase:
    """A database on the server; `traits` are owner, encoding, locale, and security labels as statements.

    `trusted` tells whether the owner is a superuser or the owner of the live database: an owner can write any mark.
    `slots` are the logical replication slots in use.
    """

    name: str
    size_bytes: int
    open: bool
    mark: DatabaseMark
    trusted: bool
    subscriptions: tuple[str, ...]
    slots: tuple[str, ...]
    traits: dict[str, Any]

    @property
    def is_ours(self) -> bool:
        """Whether a restore or a drill made the database, by its mark; or began to, and nobody could connect since."""
        return self.trusted and bool(self.mark.word or not self.open)


@dataclass(frozen=True)
class RestoreServer:
    """A server with the database `live`, if present, and the databases that restores have made.

    `folder` is the data directory or tablespace of `live`; `prepared` counts prepared transactions in `live`; `at_work`
    counts sessions of other restores and drills: after a kill, sessions remain until the server notices.
    `loader_rights` has the rights of `load_user` that it should not have; None if there is no such role.
    """

    live: str
    superuser: bool
    version_num: int
    folder: str
    prepared: int
    at_work: int
    databases: dict[str, ServerDatabase]
    superusers: tuple[str, ...] = ()
    loader_rights: str | None = None

    @property
    def quiet(self) -> str:
        """Options of sessions in a copy: no event trigger fires, not even on login; empty where the role may not."""
        if not self.superuser:
            return ""
        return f"-c {'event_triggers=off' if self.version_num >= LATER_FROM else 'session_replication_role=replica'}"

    @property
    def serving(self) -> ServerDatabase | None:
        """The live database, or None."""
        return self.databases.get(self.live)

    def beside(self, kind: Kind) -> list[ServerDatabase]:
        """The databases of a kind that restores or drills have made, oldest first; a name alone proves nothing."""
        found = [self.databases[name] for name in sorted(self.databases) if self._kind(name) == kind]
        return [each for each in found if each.is_ours]

    def is_temporary(self, name: str) -> bool:
        """Whether restores or drills give their databases such a name."""
        return bool(self._kind(name))

    def _kind(self, name: str) -> str:
        found = _NAME.fullmatch(name.removeprefix(self.live)) if name != self.live else None
        return found[1] if found else ""


@dataclass(frozen=True)
class RestoreClient:
    """PostgreSQL client programs for one backup, run on the host or in the database's container.

    `options` are options of every session.
    """

    host: Host
    backup: Backup
    options: str = ""

    @property
    def live(self) -> str:
        """The name of the declared database on the server."""
        return name_of(self.host.databases[self.backup.database].dsn)

    @property
    def user(self) -> str:
        """The role that runs the restore."""
        return self.backup.restore_user or self.backup.user

    @property
    def container(self) -> str:
        """The container in which programs run; empty for the host."""
        return self.host.databases[self.backup.database].container

    @property
    def entrance(self) -> tuple[str, ...]:
        """The words in front of a client program that run it in the container; empty for the host."""
        return dump_folder.client(self.host, self.backup)

    def program(self, *words: str, timeout_s: float = 60.0) -> Command:
        """A command on the host or in the container."""
        return argv(*self.entrance, *words, timeout_s=timeout_s)

    def conninfo(self, database: str, **more: str) -> str:
        """The connection string of a database, without a password.

        Raises:
            DatabaseError: the declared dsn is not valid.
        """
        own = self.backup.restore_passfile if self.backup.restore_user else self.backup.passfile
        return self._conninfo(self.user, own, database, **more)

    def load_conninfo(self, database: str, **more: str) -> str:
        """The connection string of a database for `load_user`, without a password.

        Raises:
            DatabaseError: the declared dsn is not valid.
        """
        return self._conninfo(self.backup.load_user, self.backup.load_passfile, database, **more)

    def _conninfo(self, user: str, passfile: str, database: str, **more: str) -> str:
        file = {"passfile": passfile} if passfile and not self.container else {}
        dsn = self.host.databases[self.backup.database].dsn
        names = {"dbname": database, "application_name": APPLICATION}
        options = f"{self.options} {more.pop('options', '')}".strip()
        return as_role(dsn, user, inside=bool(self.container), **file, **names, **more, options=options)

    def sql(self, script: str, database: str = MAINTENANCE, timeout_s: float = 60.0, **values: str) -> Command:
        """The psql command that runs a script with `values` as psql variables, which the script quotes."""
        return argv(*fed(script), *self.psql(database, **values), timeout_s=timeout_s)

    def psql(self, database: str, **values: str) -> tuple[str, ...]:
        """The words of a psql command that reads a script from standard input."""
        variables = [word for name, value in values.items() for word in ("-v", f"{name}={value}")]
        return self.program("psql", *PSQL, *variables, "-d", self.conninfo(database)).argv

    def by_hand(self, database: str, *statements: str) -> str:
        """The psql command for a person to run statements in a database."""
        dsn = "" if self.container else self.host.databases[self.backup.database].dsn
        words = (word for each in statements for word in ("-c", each))
        return shlex.join(self.program("psql", "-d", of_person(dsn, self.user, database), *words).argv)

    def inspection(self) -> tuple[Command, ...]:
        """The docker inspect command of the container; empty without a container."""
        declared = self.host.containers
        return (Containers().command(self.host, self.container, declared[self.container]),) if self.container else ()

    def inspected(self, answer: Answer) -> ContainerState:
        """The container state from the output of `inspection`.

        Raises:
            MeasurementError: docker inspect failed.
        """
        return Containers().parse(answer, self.container, self.host.containers[self.container])

    def server(self) -> Command:
        """The command whose output `parse_server` reads."""
        return self.sql(scripts.sql("restore/databases"), live=self.live, loader=self.backup.load_user)


def drop(client: RestoreClient, server: RestoreServer, name: str) -> Command:
    """The command that drops a database."""
    inside = replace(client, options=server.quiet).conninfo(name)
    outside = client.conninfo(MAINTENANCE)
    return client.sql(scripts.sql("restore/drop"), timeout_s=300, name=name, inside=inside, outside=outside)


def parse_server(answer: Answer, live: str) -> RestoreServer:
    """The server described by the output of databases.sql.

    Raises:
        MeasurementError: psql failed.
    """
    properties = json.loads(answer.require("psql").stdout)
    found = [_database(each) for each in properties.pop("databases")]
    properties["superusers"] = tuple(properties["superusers"])
    return RestoreServer(live=live, databases={each.name: each for each in found}, **properties)


def _database(row: dict[str, Any]) -> ServerDatabase:
    word, _, archive = (row.pop("mark") or "").partition(" ")
    mark = DatabaseMark(word, archive)
    name, size_bytes = str(row.pop("name")), int(row.pop("bytes"))
    state = bool(row.pop("open")), mark, bool(row.pop("trusted"))
    replication = tuple(row.pop("subscriptions")), tuple(row.pop("slots"))
    return ServerDatabase(name, size_bytes, *state, *replication, row)


def in_turn(commands: Sequence[tuple[Way, Command]], mark: str, timeout_s: float) -> Command:
    """A host command that runs `commands` in sequence; `mark` is a random word that separates them."""
    words = [word for when, command in commands for word in (f"{mark} {when}", *command.words())]
    return argv("perl", "-e", scripts.perl("restore/in_turn"), "--", mark, *words, timeout_s=timeout_s)
