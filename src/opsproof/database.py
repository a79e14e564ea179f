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
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from opsproof.errors import DatabaseError

if TYPE_CHECKING:
    import psycopg

LOCK_TIMEOUT_S = 1
_OURS = re.compile(
    r"password authentication failed|no password supplied|no pg_hba\.conf entry|certificate|passfile"
    r"|translate host name|failed to resolve host|invalid connection option"
    r"|(role|database) \".*\" does not exist",
)


class Database(Protocol):
    """What must be known of a database to ask it; see `opsproof.nouns.Database`."""

    @property
    def dsn(self) -> str:
        """A libpq connection string without a password."""

    @property
    def password_env(self) -> str:
        """The environment variable that holds the password, or nothing."""

    @property
    def timeout(self) -> float:
        """Of the connection and of each query, in seconds."""


@dataclass(frozen=True)
class Target:
    """A database as it is named to the process that asks."""

    dsn: str
    password_env: str
    timeout: float


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


def ask(database: Database, queries: list[str]) -> list[Result]:
    """The results of `queries`, in their order, sent together over one connection."""
    started = time.monotonic()
    try:
        connection = _connect(database)
    except DatabaseError as error:
        return [Result(error=str(error))] * len(queries)
    except ConnectionRefusedError as error:
        return [Result(refusal=str(error), elapsed_s=time.monotonic() - started)] * len(queries)
    with closing(connection):
        return _pipelined(connection, queries, started)


def _connect(database: Database) -> "psycopg.Connection[Any]":
    import psycopg  # slow to import, and a run without databases needs none

    try:
        return psycopg.connect(
            database.dsn,
            autocommit=True,
            connect_timeout=max(2, round(database.timeout)),
            application_name="opsproof",
            options=_options(database),
            password=_password(database),
        )
    except psycopg.Error as error:
        message = _one_line(str(error))
        if _OURS.search(message):
            raise DatabaseError(message) from error
        raise ConnectionRefusedError(message) from error


def _options(database: Database) -> str:
    settings = {
        "default_transaction_read_only": "on",
        "statement_timeout": f"{database.timeout * 1000:.0f}",
        "lock_timeout": f"{LOCK_TIMEOUT_S * 1000}",
        "row_security": "off",
    }
    return " ".join(f"-c {name}={value}" for name, value in settings.items())


def _password(database: Database) -> str | None:
    if not database.password_env:
        return None
    if database.password_env not in os.environ:
        raise DatabaseError(f"environment variable {database.password_env} is not set: it holds the password")
    return os.environ[database.password_env]


def _pipelined(connection: "psycopg.Connection[Any]", queries: list[str], started: float) -> list[Result]:
    # A sync behind each query keeps a failed one from taking those behind it along.
    from psycopg import generators

    pgconn = connection.pgconn
    pgconn.enter_pipeline_mode()
    for query in queries:
        pgconn.send_query_params(query.encode(), None)
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


def serve() -> None:
    """Answers requests, a JSON object in each line of standard input, as each is done."""
    import psycopg  # noqa: F401  # loads while the other process still collects

    lock = threading.Lock()

    def answer(request: dict[str, Any]) -> None:
        results = ask(Target(**request["database"]), request["queries"])
        text = json.dumps({"number": request["number"], "results": [asdict(each) for each in results]}, default=str)
        with lock:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()

    for line in sys.stdin:
        threading.Thread(target=answer, args=(json.loads(line),)).start()


if __name__ == "__main__":
    serve()
