"""Queries of a PostgreSQL database; the only module that opens connections to one.

Read-only by construction: every session refuses writes, waits for no lock longer than a second,
and fails, rather than see less, where row-level security would filter rows.
"""

import json
import os
import re
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opsproof.core.errors import DatabaseError
from opsproof.postgres import passfile
from opsproof.transport.tunnel import Tunnel, opened

if TYPE_CHECKING:
    import psycopg

LOCK_TIMEOUT_S = 1
SOCKET_FOLDER = "/var/run/postgresql"
"""Where Debian's PostgreSQL listens, for a dsn without a host."""
_LOCAL = re.compile(r"(?:localhost|127\.\d+\.\d+\.\d+|::1)$|[/@]")
TLS_MODES = ("require", "verify-ca", "verify-full")
Query = str | list[str]
"""A statement; or a list of it and the texts that stand for its $1, $2 and so on."""
_OURS = re.compile(
    r"password authentication failed|no password supplied|no pg_hba\.conf entry|certificate|passfile"
    r"|administratively prohibited|translate host name|failed to resolve host|invalid connection option"
    r"|(role|database) \".*\" does not exist",
)


@dataclass(frozen=True)
class DatabaseTarget:
    """A database as it is named to the process that asks.

    `ssh` is the command line of the tunnel that leads to where it is seen from, or empty; `runtime`
    the folder for its socket.
    """

    dsn: str
    password_env: str
    timeout: float
    password_file: str = ""
    ssh: tuple[str, ...] = ()
    runtime: str = ""


@dataclass(frozen=True)
class Result:
    """What came of a query: rows of JSON types, or why there are none.

    `refusal` is what the server said, or did not say, to the attempt to connect; `error` is
    anything that kept the query from being asked or answered. Times are in seconds.
    """

    rows: list[list[Any]] = field(default_factory=list)
    error: str = ""
    refusal: str = ""
    elapsed_s: float = 0.0

    def require(self) -> list[list[Any]]:
        """The rows.

        Raises:
            DatabaseError: the query was not answered.
        """
        if self.refusal or self.error:
            raise DatabaseError(self.refusal or self.error)
        return self.rows


def ask(target: DatabaseTarget, queries: Sequence[Query]) -> list[Result]:
    """The results of `queries`, in their order, sent together over one connection; times are without a tunnel's."""
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


def as_role(dsn: str, user: str, *, inside: bool, **more: str) -> str:
    """The `dsn` for a client program on its host, as another role; `inside` the server's container, over its socket.

    Raises:
        DatabaseError: it cannot be read.
    """
    from psycopg import conninfo

    parameters = _parsed(dsn)
    kept = {"dbname"} if inside else parameters.keys() - {"passfile"}
    return conninfo.make_conninfo(
        **{**{each: parameters[each] for each in kept & parameters.keys()}, "user": user, **more}
    )


def is_local(dsn: str) -> bool:
    """Whether a `dsn`, as its host sees it, leads to a server on that host.

    Raises:
        DatabaseError: it cannot be read.
    """
    parameters = _parsed(dsn)
    servers = str(parameters.get("hostaddr") or parameters.get("host") or SOCKET_FOLDER).split(",")
    return all(_LOCAL.match(each) for each in servers)


def name_of(dsn: str) -> str:
    """The name of the database that a `dsn` leads to.

    Raises:
        DatabaseError: it cannot be read.
    """
    parameters = _parsed(dsn)
    return str(parameters.get("dbname") or parameters.get("user", ""))


@contextmanager
def _reached(target: DatabaseTarget) -> Iterator[tuple[dict[str, Any], str | None, Tunnel | None]]:
    """The parameters and the password of a connection from here, through a tunnel where one is needed."""
    parameters = _parsed(target.dsn)
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
    """Nothing is encrypted that libpq sends to a socket, whatever sslmode says."""
    if parameters.get("sslmode") in TLS_MODES:
        raise DatabaseError(f'sslmode={parameters["sslmode"]} has no effect through a tunnel: give reach = "direct"')


def _port(parameters: dict[str, Any]) -> int:
    text = str(parameters.get("port") or 5432)
    if not text.isdigit():
        raise DatabaseError(f"the dsn names {text} for a port: a tunnel leads to one server")
    return int(text)


def _parsed(dsn: str) -> dict[str, Any]:
    from psycopg import ProgrammingError, conninfo

    try:
        return conninfo.conninfo_to_dict(dsn)
    except ProgrammingError as error:
        raise DatabaseError(_one_line(str(error))) from error


def _listed(parameters: dict[str, Any], port: int) -> str | None:
    """The password in the user's password file, which names the server as its host sees it."""
    path = Path(parameters.get("passfile") or os.environ.get("PGPASSFILE") or "~/.pgpass").expanduser()
    user, server = str(parameters.get("user", "")), str(parameters.get("host", "localhost"))
    return passfile.password(path, (server, str(port), str(parameters.get("dbname", user)), user))


def _connect(
    target: DatabaseTarget, parameters: dict[str, Any], password: str | None, tunnel: Tunnel | None = None
) -> "psycopg.Connection[Any]":
    import psycopg  # slow to import, and a run without databases needs none

    try:
        return psycopg.connect(autocommit=True, **_session(target, parameters, password))
    except psycopg.Error as error:
        message = _one_line(_complaint(error, parameters, tunnel))
        if _OURS.search(message):
            raise DatabaseError(message) from error
        raise ConnectionRefusedError(message) from error


def _complaint(error: Exception, parameters: dict[str, Any], tunnel: Tunnel | None) -> str:
    """What `error` says; through a tunnel libpq sees a closed connection alone, and ssh knows why."""
    if tunnel is None:
        return str(error)
    here = f'on socket "{tunnel.folder}/.s.PGSQL.{parameters["port"]}"'
    return tunnel.refusal() or str(error).replace(here, f"on port {parameters['port']} of the host")


def _session(target: DatabaseTarget, parameters: dict[str, Any], password: str | None) -> dict[str, Any]:
    """The parameters of a session that can harm nothing."""
    settings = {
        "default_transaction_read_only": "on",
        "statement_timeout": f"{target.timeout * 1000:.0f}",
        "lock_timeout": f"{LOCK_TIMEOUT_S * 1000}",
        "row_security": "off",
        "TimeZone": "UTC",
        "client_encoding": "UTF8",  # that of SQL_ASCII gives bytes in place of text
        "jit": "off",  # to compile a query of the catalogs takes longer than to answer it
    }
    options = " ".join(f"-c {name}={value}" for name, value in settings.items())
    ours = {"connect_timeout": max(2, round(target.timeout)), "application_name": "opsproof", "options": options}
    return {**parameters, **ours, **({"password": password} if password else {})}


def _password(target: DatabaseTarget) -> str | None:
    if not target.password_env:
        return None
    if target.password_env not in os.environ:
        raise DatabaseError(f"environment variable {target.password_env} is not set: it holds the password")
    return os.environ[target.password_env]


def _pipelined(connection: "psycopg.Connection[Any]", queries: Sequence[Query], started: float) -> list[Result]:
    # A sync behind each query keeps a failed one from taking those behind it along.
    from psycopg import generators

    pgconn = connection.pgconn
    pgconn.enter_pipeline_mode()
    for query in queries:
        statement, *values = [query] if isinstance(query, str) else query
        pgconn.send_query_params(statement.encode(), [each.encode() for each in values])
        pgconn.pipeline_sync()
    connection.wait(generators.send(pgconn))
    return [_next_result(connection, started) for _ in queries]


def _next_result(connection: "psycopg.Connection[Any]", started: float) -> Result:
    from psycopg import OperationalError, adapt, generators, pq

    try:
        answer = connection.wait(generators.fetch(connection.pgconn))
    except OperationalError as error:
        return Result(error=_one_line(str(error)))
    with suppress(OperationalError):
        for _ in ("end of rows", "sync"):
            connection.wait(generators.fetch(connection.pgconn))
    elapsed_s = time.monotonic() - started
    if answer is None:
        return Result(error="the server closed the connection")
    if answer.status not in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK):
        return Result(error=_one_line(answer.get_error_message()))
    transformer = adapt.Transformer(connection)
    transformer.set_pgresult(answer)
    return Result(transformer.load_rows(0, answer.ntuples, list), elapsed_s=elapsed_s)


def _one_line(message: str) -> str:
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return "; ".join(lines[:3])[:300] or "the server gave no reason"


def _answers(target: DatabaseTarget, queries: Sequence[Query]) -> list[Result]:
    """As `ask`, and whatever goes wrong: an answer that never comes would be waited for."""
    try:
        return ask(target, queries)
    except UnicodeDecodeError:
        return [Result(error="what the host answers is no UTF-8")] * len(queries)  # it may be the password
    except Exception as error:  # noqa: BLE001
        return [Result(error=f"{type(error).__name__}: {error}")] * len(queries)


def serve() -> None:
    """Answers requests, a JSON object in each line of standard input, as each is done."""
    import psycopg  # noqa: F401  # loads while the other process still collects

    lock = threading.Lock()

    def answer(request: dict[str, Any]) -> None:
        results = _answers(DatabaseTarget(**request["database"]), request["queries"])
        text = json.dumps({"number": request["number"], "results": [asdict(each) for each in results]}, default=str)
        with lock:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()

    for line in sys.stdin:
        # When the input ends nobody listens any more, whatever a database still owes.
        threading.Thread(target=answer, args=(json.loads(line),), daemon=True).start()


if __name__ == "__main__":
    serve()
