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
    """What must be known of a database to ask it; see `opsproof.models.Database`."""

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
    with connection:
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
        message = _one_line(error)
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
    # The first is asked alone, so that its time is its own; the others travel together.
    results = _answered(connection, dict(enumerate(queries[:1])), started)
    while waiting := {index: query for index, query in enumerate(queries) if index not in results}:
        # A failed query aborts those behind it, so they are asked again without it.
        results |= _answered(connection, waiting, started)
    return [results[index] for index in range(len(queries))]


def _answered(connection: "psycopg.Connection[Any]", queries: dict[int, str], started: float) -> dict[int, Result]:
    """The results up to the first failure; of a broken connection, all."""
    import psycopg

    cursors: dict[int, psycopg.Cursor[Any]] = {}
    failure = Result(error="the server gave no answer")
    try:
        with connection.pipeline():
            for index, query in queries.items():
                cursors[index] = connection.execute(query.encode())
    except psycopg.Error as error:
        failure = Result(error=_one_line(error))
    answered = {index: cursor for index, cursor in cursors.items() if cursor.pgresult is not None}
    elapsed_s = time.monotonic() - started
    results = {index: Result(_rows(cursor), elapsed_s=elapsed_s) for index, cursor in answered.items()}
    lost = [index for index in queries if index not in answered]
    return results | dict.fromkeys(lost if connection.broken else lost[:1], failure)


def _rows(cursor: "psycopg.Cursor[Any]") -> list[list[Any]]:
    return [list(row) for row in cursor.fetchall()] if cursor.description else []


def _one_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return "; ".join(lines[:3])[:300] or type(error).__name__


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
