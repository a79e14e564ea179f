"""psql as the maintenance role of a declared database, started on the host or in the database's container."""

import json
import re
from dataclasses import dataclass
from typing import Any

from opsproof.core.errors import CommandError, InventoryError, MeasurementError, OutputError
from opsproof.core.reasons import reason
from opsproof.inventory.hosts import Host
from opsproof.inventory.resources import Database
from opsproof.postgres.connection import Result
from opsproof.postgres.dsn import as_role, is_local
from opsproof.postgres.psql import fed
from opsproof.transport.shell import Answer, Command, argv

APPLICATION = "opsproof_maintenance"
"""application_name of all maintenance sessions; by it a run finds sessions of an interrupted run."""
LOCK_NOT_AVAILABLE, QUERY_CANCELED = "55P03", "57014"
"""https://www.postgresql.org/docs/current/errcodes-appendix.html"""
_SETTINGS = {
    "idle_in_transaction_session_timeout": "1min",
    # The server cancels the query of a lost client within this time.
    "client_connection_check_interval": "2s",
}
SILENCING = r"""
SELECT max(set_config(name, value, false)) AS ignored
  FROM (SELECT CASE count(*) WHEN 0 THEN 'session_replication_role' ELSE 'event_triggers' END,
               CASE count(*) WHEN 0 THEN 'replica' ELSE 'off' END
          FROM pg_settings WHERE name = 'event_triggers') AS silent (name, value)
 WHERE (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) \gset
"""
"""Keeps event triggers from firing, where the role may."""
_MESSAGE = re.compile(r"^(?:psql:\S+ )?\w+:  ([0-9A-Z]{5}): (.*)$", re.MULTILINE)
_NO_ERROR = ("00", "01")


@dataclass(frozen=True)
class MaintenanceClient:
    """Builds commands for one declared database; `name` is its name in the inventory."""

    host: Host
    name: str

    @property
    def database(self) -> Database:
        """The declaration in the inventory."""
        return self.host.databases[self.name]

    @property
    def user(self) -> str:
        """The maintenance role.

        Raises:
            InventoryError: maintenance_user is not declared.
        """
        if not self.database.maintenance_user:
            raise InventoryError(f"hosts.{self.host.name}.databases.{self.name} declares no maintenance_user")
        return self.database.maintenance_user

    @property
    def sees_server(self) -> bool:
        """Whether commands run on the server's machine, so that disk and memory can be measured."""
        return bool(self.database.container) or is_local(self.database.dsn)

    def program(self, *words: str, timeout_s: float = 60.0) -> Command:
        """A command that runs on the host, or in the database's container."""
        container, docker_as = self.database.container, self.host.docker_as
        sudo = ("sudo", "-n", "-u", docker_as, "--") if container and docker_as else ()
        inside = (*sudo, "docker", "exec", "-i", container) if container else ()
        return argv(*inside, *words, timeout_s=timeout_s)

    def conninfo(self, settings: dict[str, str]) -> str:
        """The connection string for psql with session settings; holds no password.

        Raises:
            InventoryError: maintenance_user is not declared.
            DatabaseError: the declared dsn is malformed.
        """
        inside, passfile = bool(self.database.container), self.database.maintenance_passfile
        more = {"passfile": passfile} if passfile and not inside else {}
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        names = {"application_name": APPLICATION, "client_encoding": "UTF8", "options": options}
        return as_role(self.database.dsn, self.user, inside=inside, **more, **names)

    def sql(self, script: str, timeout_s: float = 60.0, /, **values: str) -> Command:
        """A command that runs `script` in psql; `values` are psql variables, which the script quotes as :'name'."""
        variables = [word for name, value in values.items() for word in ("-v", f"{name}={value}")]
        options = ("-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose", *variables)
        words = ("psql", "-XAtqw", "-F", "\t", *options, "-d", self.conninfo(_SETTINGS))
        return argv(*fed(script), *self.program(*words).argv, timeout_s=timeout_s)


def failure(answer: Answer) -> tuple[str, str]:
    """SQLSTATE and message of the failed statement; two empty strings if no statement failed."""
    found = [each for each in _MESSAGE.findall(answer.stderr) if not each[0].startswith(_NO_ERROR)]
    return found[-1] if found else ("", "")


def notices(answer: Answer) -> list[str]:
    """Warnings and notices of the server."""
    return [said for code, said in _MESSAGE.findall(answer.stderr) if code.startswith(_NO_ERROR)]


def require(answer: Answer) -> str:
    """The output of psql.

    Raises:
        MeasurementError: psql failed; carries the server's message.
    """
    _, said = failure(answer)
    if said and answer.flag == "-":
        raise CommandError(f"psql: {said[:300]}")
    if answer.status == 2 and answer.stderr:  # the last line names the password file
        raise CommandError(reason(answer.stderr))
    return answer.require("psql").stdout


def parse_json(answer: Answer) -> Any:
    """The output of psql, parsed as JSON.

    Raises:
        MeasurementError: psql failed, or the output is not JSON.
    """
    try:
        return json.loads(require(answer))
    except ValueError as error:
        raise OutputError(f"psql printed invalid JSON: {error}") from error


def result(answer: Answer) -> Result:
    """The rows of a JSON list of objects, columns in order; or the error of psql."""
    try:
        rows = json.loads(require(answer), object_pairs_hook=_Row)
    except MeasurementError as error:
        return Result(error=str(error).removeprefix("psql: "))
    except ValueError as error:
        return Result(error=f"psql printed invalid JSON: {error}")
    return Result([row.columns for row in rows])


class _Row(dict[str, Any]):
    """A JSON object that keeps its values in order, also those of duplicate keys."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.columns = [value for _, value in pairs]
