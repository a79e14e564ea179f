"""psql as the role that maintains a declared database: started on the host, or in the database's container."""

import json
import re
from dataclasses import dataclass
from typing import Any

from opsproof.core.errors import CommandError, InventoryError, MeasurementError, OutputError
from opsproof.inventory.hosts import Host
from opsproof.inventory.resources import Database
from opsproof.postgres.connection import Result
from opsproof.postgres.dsn import as_role, is_local
from opsproof.transport.shell import Answer, Command, argv

APPLICATION = "opsproof_maintenance"
"""The name of our sessions, by which a run finds what an interrupted one left at work in the server."""
LOCK_NOT_AVAILABLE, QUERY_CANCELED = "55P03", "57014"
"""https://www.postgresql.org/docs/current/errcodes-appendix.html"""
_SETTINGS = {
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "1min",
    # A server that has lost its client ends what it does for it within so long.
    "client_connection_check_interval": "2s",
    "row_security": "off",
    "default_transaction_read_only": "off",
    "TimeZone": "UTC",
}
_FEED = 'printf "%s\\n" "$0" | "$@"'
_MESSAGE = re.compile(r"^(?:psql:\S+ )?\w+:  ([0-9A-Z]{5}): (.*)$", re.MULTILINE)
_NO_ERROR = ("00", "01")


@dataclass(frozen=True)
class MaintenanceClient:
    """The programs for one declared database, by its name in the inventory."""

    host: Host
    name: str

    @property
    def database(self) -> Database:
        """As it is declared."""
        return self.host.databases[self.name]

    @property
    def user(self) -> str:
        """The role that maintains.

        Raises:
            InventoryError: none is declared.
        """
        if not self.database.maintenance_user:
            raise InventoryError(f"hosts.{self.host.name}.databases.{self.name} declares no maintenance_user")
        return self.database.maintenance_user

    @property
    def sees_server(self) -> bool:
        """Whether the programs run on the server's machine, so that its disk and memory are theirs."""
        return bool(self.database.container) or is_local(self.database.dsn)

    def program(self, *words: str, timeout_s: float = 60.0) -> Command:
        """A program that runs where psql does."""
        container, docker_as = self.database.container, self.host.docker_as
        sudo = ("sudo", "-n", "-u", docker_as, "--") if container and docker_as else ()
        inside = (*sudo, "docker", "exec", "-i", container) if container else ()
        return argv(*inside, *words, timeout_s=timeout_s)

    def conninfo(self, settings: dict[str, str]) -> str:
        """How psql reaches the database, with settings of the session: no password is in it.

        Raises:
            InventoryError: no role is declared.
            DatabaseError: the declared dsn cannot be read.
        """
        inside, passfile = bool(self.database.container), self.database.maintenance_passfile
        more = {"passfile": passfile} if passfile and not inside else {}
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        names = {"application_name": APPLICATION, "client_encoding": "UTF8", "options": options}
        return as_role(self.database.dsn, self.user, inside=inside, **more, **names)

    def sql(self, script: str, timeout_s: float = 60.0, /, **values: str) -> Command:
        """What psql makes of a script; it quotes the `values` itself, where the script names them."""
        variables = [word for name, value in values.items() for word in ("-v", f"{name}={value}")]
        options = ("-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose", *variables)
        words = ("psql", "-XAtqw", "-F", "\t", *options, "-d", self.conninfo(_SETTINGS))
        return argv("sh", "-c", _FEED, script, *self.program(*words).argv, timeout_s=timeout_s)


def failure(answer: Answer) -> tuple[str, str]:
    """What the server said to the statement that failed: a code of five characters, and a sentence."""
    found = [each for each in _MESSAGE.findall(answer.stderr) if not each[0].startswith(_NO_ERROR)]
    return found[-1] if found else ("", "")


def remarks(answer: Answer) -> list[str]:
    """What the server said besides: warnings and notices."""
    return [said for code, said in _MESSAGE.findall(answer.stderr) if code.startswith(_NO_ERROR)]


def require(answer: Answer) -> str:
    """What psql printed.

    Raises:
        MeasurementError: it did not come to its end; the server's own words.
    """
    _, said = failure(answer)
    if said and answer.flag == "-":
        raise CommandError(f"psql: {said[:300]}")
    if answer.status == 2 and answer.stderr:  # its last line says where it found the password
        raise CommandError(answer.stderr.splitlines()[0][:300])
    return answer.require("psql").stdout


def told(answer: Answer) -> Any:
    """What psql printed, as the JSON that it is.

    Raises:
        MeasurementError: it is none.
    """
    try:
        return json.loads(require(answer))
    except ValueError as error:
        raise OutputError(f"psql does not tell what was asked: {error}") from error


def result(answer: Answer) -> Result:
    """The rows that psql printed as a list of objects, each with its columns in their order, or why there are none."""
    try:
        rows = json.loads(require(answer), object_pairs_hook=_Row)
    except MeasurementError as error:
        return Result(error=str(error).removeprefix("psql: "))
    except ValueError as error:
        return Result(error=f"psql does not tell what was asked: {error}")
    return Result([row.columns for row in rows])


class _Row(dict[str, Any]):
    """An object that keeps its values in their order, two of the same name as well."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.columns = [value for _, value in pairs]
