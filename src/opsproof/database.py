"""Queries of a PostgreSQL database; the only module that opens connections to one.

Read-only by construction: every session refuses writes, waits for no lock longer than a second,
and fails, rather than see less, where row-level security would filter rows.
"""

import os
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from opsproof.errors import DatabaseError
from opsproof.models import Database

if TYPE_CHECKING:
    import psycopg

LOCK_TIMEOUT_S = 1
_OURS = re.compile(
    r"password authentication failed|no password supplied|no pg_hba\.conf entry|translate host name"
    r"|(role|database) \".*\" does not exist|passfile|invalid connection option|certificate",
)


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
    results: dict[int, Result] = {}
    while len(results) < len(queries):
        # A failed query aborts those behind it, so they are asked again without it.
        _ask_rest(connection, queries, results, started)
    return [results[index] for index in range(len(queries))]


def _ask_rest(
    connection: "psycopg.Connection[Any]", queries: list[str], results: dict[int, Result], started: float
) -> None:
    import psycopg

    current = -1
    try:
        with connection.pipeline():
            waiting = {
                index: connection.execute(query.encode()) for index, query in enumerate(queries) if index not in results
            }
            for current, cursor in waiting.items():
                rows = [list(row) for row in cursor.fetchall()]
                results[current] = Result(rows, elapsed_s=time.monotonic() - started)
    except psycopg.Error as error:
        lost = (
            range(len(queries)) if connection.broken else [max(current, min(set(range(len(queries))) - set(results)))]
        )
        for index in lost:
            results.setdefault(index, Result(error=_one_line(error)))


def _one_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return "; ".join(lines[:3])[:300] or type(error).__name__
