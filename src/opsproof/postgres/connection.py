"""Read-only queries of PostgreSQL databases; the only module that opens database connections.

Every session refuses writes, finds names without a schema in pg_catalog alone, has a `lock_timeout` of a second, and
fails where row-level security would filter rows (`row_security` off).
"""

import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opsproof.core.errors import DatabaseError
from opsproof.postgres import extensions, passfile
from opsproof.postgres.dsn import SOCKET_FOLDER, one_line, parsed, session_options
from opsproof.postgres.psql import LATER, LATER_FROM
from opsproof.transport.tunnel import Tunnel, opened

if TYPE_CHECKING:
    import psycopg

LOCK_TIMEOUT_S = 1
TLS_MODES = ("require", "verify-ca", "verify-full")
Query = str | list[str]
"""A statement, or a list of a statement and the values of its parameters $1, $2 ..."""
_CLIENT_ERRORS = re.compile(
    r"password authentication failed|no password supplied|no pg_hba\.conf entry|certificate|passfile"
    r"|administratively prohibited|translate host name|failed to resolve host|invalid connection option"
    r"|role \".*\" does not exist|permission denied for database",
)


@dataclass(frozen=True)
class DatabaseTarget:
    """The address of a database for the worker process.

    `ssh` is the ssh command line of the tunnel, empty without a tunnel. `runtime` is the folder for the tunnel's
    socket. `timeout` is in seconds.
    """

    dsn: str
    password_env: str
    timeout: float
    password_file: str = ""
    ssh: tuple[str, ...] = ()
    runtime: str = ""


@dataclass(frozen=True)
class Result:
    """The result of a query: rows of JSON types, or an error.

    `refusal` is the server's answer to a rejected connection, or the reason of a missing answer. `error` is any other
    error. `elapsed_s` is in seconds.
    """

    rows: list[list[Any]] = field(default_factory=list)
    error: str = ""
    refusal: str = ""
    elapsed_s: float = 0.0

    def require(self) -> list[list[Any]]:
        """The rows.

        Raises:
            DatabaseError: the query or its connection failed.
        """
        if self.refusal or self.error:
            raise DatabaseError(self.refusal or self.error)
        return self.rows


def ask(target: DatabaseTarget, queries: Sequence[Query]) -> list[Result]:
    """The results of `queries`, in order, sent in one pipeline. Times exclude the opening of a tunnel."""
    try:
        with _reached(target) as (parameters, password, tunnel):
            return _asked(target, parameters, password, tunnel, queries)
    except DatabaseError as error:
        return [Result(error=str(error))] * len(queries)


def _asked(
    target: DatabaseTarget,
    parameters: dict[str, Any],
    password: str | None,
    tunnel: Tunnel | None,
    queries: Sequence[Query],
) -> list[Result]:
    started = time.monotonic()
    try:
        with closing(_connect(target, parameters, password, tunnel)) as connection:
            return _pipelined(connection, queries, started)
    except ConnectionRefusedError as error:
        return [Result(refusal=str(error), elapsed_s=time.monotonic() - started)] * len(queries)


@contextmanager
def _reached(target: DatabaseTarget) -> Iterator[tuple[dict[str, Any], str | None, Tunnel | None]]:
    """The connection parameters and the password, with an open tunnel if the target needs one."""
    parameters = parsed(target.dsn)
    if not target.ssh:
        yield parameters, _password(target), None
        return
    _refuse_tls(parameters)
    server = str(parameters.pop("hostaddr", "") or parameters.get("host") or SOCKET_FOLDER)
    port = _port(parameters)
    known = _password(target) if target.password_env else _listed(parameters, port)
    with opened(target.ssh, Path(target.runtime), server, port, target.password_file) as tunnel:
        yield {**parameters, "host": str(tunnel.folder), "port": port}, tunnel.password or known, tunnel


def _refuse_tls(parameters: dict[str, Any]) -> None:
    """Refuses TLS modes: libpq ignores sslmode for a socket, which the local end of a tunnel is."""
    if parameters.get("sslmode") in TLS_MODES:
        raise DatabaseError(f'sslmode={parameters["sslmode"]} has no effect through a tunnel: set reach = "direct"')


def _port(parameters: dict[str, Any]) -> int:
    text = str(parameters.get("port") or 5432)
    if not text.isdigit():
        raise DatabaseError(f"the dsn has port {text}: a tunnel needs a single port")
    return int(text)


def _listed(parameters: dict[str, Any], port: int) -> str | None:
    """The password in the user's password file, under the server address of the dsn."""
    path = Path(parameters.get("passfile") or os.environ.get("PGPASSFILE") or "~/.pgpass").expanduser()
    user, server = str(parameters.get("user", "")), str(parameters.get("host", "localhost"))
    return passfile.password(path, (server, str(port), str(parameters.get("dbname", user)), user))


def _connect(
    target: DatabaseTarget, parameters: dict[str, Any], password: str | None, tunnel: Tunnel | None = None
) -> "psycopg.Connection[Any]":
    import psycopg  # slow to import; a run without databases never gets here

    try:
        return psycopg.connect(autocommit=True, **_session(target, parameters, password))
    except psycopg.Error as error:
        message = one_line(_complaint(error, parameters, tunnel))
        if _CLIENT_ERRORS.search(message):
            raise DatabaseError(message) from error
        raise ConnectionRefusedError(message) from error


def _complaint(error: Exception, parameters: dict[str, Any], tunnel: Tunnel | None) -> str:
    """The message of `error`; with a tunnel, the message of ssh, because libpq sees only a closed connection."""
    if tunnel is None:
        return str(error)
    here = f'on socket "{tunnel.folder}/.s.PGSQL.{parameters["port"]}"'
    return tunnel.refusal() or str(error).replace(here, f"on port {parameters['port']} of the host")


def _session(target: DatabaseTarget, parameters: dict[str, Any], password: str | None) -> dict[str, Any]:
    """The parameters of a read-only session."""
    settings = {
        "default_transaction_read_only": "on",
        "statement_timeout": f"{target.timeout * 1000:.0f}",
        "lock_timeout": f"{LOCK_TIMEOUT_S * 1000}",
        "client_encoding": "UTF8",  # a database with SQL_ASCII would otherwise return bytes
        "jit": "off",  # compiling a catalog query takes longer than running the query
    }
    options = session_options(after=" ".join(f"-c {name}={value}" for name, value in settings.items()))
    fixed = {"connect_timeout": max(2, round(target.timeout)), "application_name": "opsproof", "options": options}
    return {**parameters, **fixed, **({"password": password} if password else {})}


def _password(target: DatabaseTarget) -> str | None:
    if not target.password_env:
        return None
    if target.password_env not in os.environ:
        raise DatabaseError(f"environment variable {target.password_env} is not set: it must hold the password")
    return os.environ[target.password_env]


def _pipelined(connection: "psycopg.Connection[Any]", queries: Sequence[Query], started: float) -> list[Result]:
    # With a sync after each query, a failed query does not abort the following ones.
    from psycopg import generators

    homes = _homes(connection, queries)
    pgconn = connection.pgconn
    pgconn.enter_pipeline_mode()
    first = [f"SET {name} = {value}" for name, value in LATER.items()] if pgconn.server_version >= LATER_FROM else []
    for query in (*first, *queries):
        statement, *values = [query] if isinstance(query, str) else query
        pgconn.send_query_params(extensions.placed(statement, homes).encode(), [each.encode() for each in values])
        pgconn.pipeline_sync()
    connection.wait(generators.send(pgconn))
    return [_next_result(connection, started) for _ in (*first, *queries)][len(first) :]


def _homes(connection: "psycopg.Connection[Any]", queries: Sequence[Query]) -> dict[str, str]:
    """The schemas of extensions, in a round trip of its own if a query needs them."""
    if not extensions.needed([each if isinstance(each, str) else each[0] for each in queries]):
        return {}
    cursor = connection.execute(extensions.LOOKUP.encode())
    names = [each.name for each in cursor.description or ()]
    return dict(zip(names, cursor.fetchone() or (), strict=True))


def _next_result(connection: "psycopg.Connection[Any]", started: float) -> Result:
    from psycopg import OperationalError, adapt, generators, pq

    try:
        answer = connection.wait(generators.fetch(connection.pgconn))
    except OperationalError as error:
        return Result(error=one_line(str(error)))
    with suppress(OperationalError):
        for _ in ("end of rows", "sync"):
            connection.wait(generators.fetch(connection.pgconn))
    elapsed_s = time.monotonic() - started
    if answer is None:
        return Result(error="the server closed the connection")
    if answer.status not in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK):
        return Result(error=one_line(answer.get_error_message()))
    transformer = adapt.Transformer(connection)
    transformer.set_pgresult(answer)
    return Result(transformer.load_rows(0, answer.ntuples, list), elapsed_s=elapsed_s)
