"""The server that a backup is restored on: its databases, and the programs of its client, started on the host."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from opsproof.backup_store import dump_folder
from opsproof.core import scripts
from opsproof.facts.containers import Containers, ContainerState
from opsproof.inventory.hosts import Host
from opsproof.inventory.resources import Backup
from opsproof.postgres.dsn import as_role, name_of
from opsproof.transport.shell import Answer, Command, argv

APPLICATION = "opsproof_restore"
MAINTENANCE = "postgres"
"""The database from which others are made, renamed and dropped."""
SUFFIX_BYTES = len("_restoring_20261125T021500Z")
NAME_BYTES = 63
"""How long PostgreSQL's names may be: https://www.postgresql.org/docs/current/limits.html."""
_NAME = re.compile(r"_(drill|restoring|before)_\d{8}T\d{6}Z$")
FEED = 'printf "%s\\n" "$0" | "$@"'
"""A script of sh that gives a text to a program by its standard input."""
PSQL = ("-XAtqw", "-F", "\t", "-v", "ON_ERROR_STOP=1")
"""psql's options for rows that a program reads."""

Kind = Literal["drill", "restoring", "before"]
Way = Literal["try", "always", "insist"]
"""How a command that runs in turn is taken: left out once one has failed; never left out; tried again for a minute."""


@dataclass(frozen=True)
class DatabaseMark:
    """How far a restore has come with a database: a word, and the archive that it was made of, or gave way to."""

    word: str = ""
    archive: str = ""


VERIFIED = "verified"
"""It was made whole, and compared."""
SWAPPING = "swapping"
"""The same, and processes may have been stopped for it."""
TRIED = "tried"
"""It served until it was swapped back, and is not as it was verified any more."""
SWAPPED = "swapped"
"""It served before; the processes may still be stopped."""
REPLACED = "replaced"
"""It served before; all is done."""


@dataclass(frozen=True)
class Standing:
    """A database that stands on the server; `traits` are what CREATE DATABASE must be told of it."""

    name: str
    size_bytes: int
    open: bool
    mark: DatabaseMark
    traits: dict[str, Any]


@dataclass(frozen=True)
class RestoreServer:
    """A server with the database called `live`, if it has that, and what restores have left beside it.

    `folder` is where its data lie, or would; `prepared` the transactions that stand prepared in it; `at_work` the
    sessions of other restores and drills, as those of a killed one are until the server notices.
    """

    live: str
    superuser: bool
    version_num: int
    folder: str
    prepared: int
    at_work: int
    databases: dict[str, Standing]

    @property
    def serving(self) -> Standing | None:
        """The database that serves, if there is one."""
        return self.databases.get(self.live)

    def beside(self, kind: Kind) -> list[Standing]:
        """What stands beside it of a kind, oldest first."""
        found = [name for name in sorted(self.databases) if self._kind(name) == kind]
        return [self.databases[name] for name in found]

    def _kind(self, name: str) -> str:
        found = _NAME.fullmatch(name.removeprefix(self.live)) if name != self.live else None
        return found[1] if found else ""


@dataclass(frozen=True)
class RestoreClient:
    """PostgreSQL's programs for one backup, as they run on the host or in the database's container."""

    host: Host
    backup: Backup

    @property
    def live(self) -> str:
        """The name of the declared database on the server."""
        return name_of(self.host.databases[self.backup.database].dsn)

    @property
    def user(self) -> str:
        """The role that restores."""
        return self.backup.restore_user or self.backup.user

    @property
    def container(self) -> str:
        """The container that the programs run in; empty where they run on the host."""
        return self.host.databases[self.backup.database].container

    def program(self, *words: str, timeout_s: float = 60.0) -> Command:
        """One of the programs, or another that runs where they do."""
        return argv(*dump_folder.client(self.host, self.backup), *words, timeout_s=timeout_s)

    def conninfo(self, database: str, **more: str) -> str:
        """How the programs reach a database: no password is in it.

        Raises:
            DatabaseError: the declared dsn cannot be read.
        """
        own = self.backup.restore_passfile if self.backup.restore_user else self.backup.passfile
        passfile = {"passfile": own} if own and not self.container else {}
        dsn = self.host.databases[self.backup.database].dsn
        names = {"dbname": database, "application_name": APPLICATION}
        return as_role(dsn, self.user, inside=bool(self.container), **passfile, **names, **more)

    def sql(self, script: str, database: str = MAINTENANCE, timeout_s: float = 60.0, **values: str) -> Command:
        """What psql makes of a script; it quotes the `values` itself, where the script names them."""
        variables = [word for name, value in values.items() for word in ("-v", f"{name}={value}")]
        words = ("psql", *PSQL, *variables, "-d", self.conninfo(database))
        return argv("sh", "-c", FEED, script, *self.program(*words).argv, timeout_s=timeout_s)

    def inspection(self) -> tuple[Command, ...]:
        """What asks Docker of the container, if there is one."""
        declared = self.host.containers
        return (Containers().command(self.host, self.container, declared[self.container]),) if self.container else ()

    def inspected(self, answer: Answer) -> ContainerState:
        """What Docker says of the container.

        Raises:
            MeasurementError: it says nothing.
        """
        return Containers().parse(answer, self.container, self.host.containers[self.container])

    def server(self) -> Command:
        """The question for a `RestoreServer`."""
        return self.sql(scripts.sql("restore/databases"), live=self.live)


def server(answer: Answer, live: str) -> RestoreServer:
    """The server that an answer tells of.

    Raises:
        MeasurementError: it tells of none.
    """
    said = json.loads(answer.require("psql").stdout)
    found = [_standing(each) for each in said.pop("databases")]
    return RestoreServer(live=live, databases={each.name: each for each in found}, **said)


def _standing(said: dict[str, Any]) -> Standing:
    word, _, archive = (said.pop("mark") or "").partition(" ")
    return Standing(said.pop("name"), int(said.pop("bytes")), bool(said.pop("open")), DatabaseMark(word, archive), said)


def in_turn(commands: Sequence[tuple[Way, Command]], mark: str, timeout_s: float) -> Command:
    """One command that runs others one after another, each in its way."""
    words = [word for when, command in commands for word in (f"{mark} {when}", *command.words())]
    return argv("perl", "-e", scripts.perl("restore/in_turn"), "--", mark, *words, timeout_s=timeout_s)
