"""A history in a SQLite file."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from opsproof.history import migration
from opsproof.history.recording import Row

BUSY_TIMEOUT_S = 2.0


class SqliteConnection:
    """A connection to a history file, in a transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def query(self, statement: str, values: Row = ()) -> list[Any]:
        """The rows of a statement."""
        return self._connection.execute(statement, values).fetchall()

    def write(self, statement: str, rows: Sequence[Row]) -> None:
        """Executes a statement for each of `rows`."""
        self._connection.executemany(statement, rows)


class HistoryFile:
    """The history file at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def is_empty(self) -> bool:
        """Whether the file is missing or empty."""
        return not self._path.exists() or not self._path.stat().st_size

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection to the file, to read only, after a migration if the file is of an older version.

        Raises:
            sqlite3.Error: the file is missing or cannot be read.
            OSError: the same.
        """
        with self._open_to_read() as connection:
            is_current = migration.is_current(connection)
            if is_current:
                yield connection
        if not is_current:
            with self._transaction("rw"):
                pass
            with self._open_to_read() as connection:
                yield connection

    @contextmanager
    def writing(self) -> Iterator[SqliteConnection]:
        """A transaction on the file, which is created or migrated first.

        Raises:
            sqlite3.Error: the file cannot be written; nothing is changed.
            OSError: the same.
        """
        with self._transaction("rwc") as connection:
            yield SqliteConnection(connection)

    @contextmanager
    def _transaction(self, mode: str) -> Iterator[sqlite3.Connection]:
        with self._open(mode) as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                migration.bring_up_to_date(connection, SqliteConnection(connection))
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # a full disk has rolled back already
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _open_to_read(self) -> Iterator[sqlite3.Connection]:
        """With mode=ro, SQLite could not roll back the transaction of a killed writer, and would refuse to read."""
        with self._open("rw") as connection:
            connection.execute("PRAGMA query_only = ON")
            yield connection

    @contextmanager
    def _open(self, mode: str) -> Iterator[sqlite3.Connection]:
        uri = f"{self._path.resolve().as_uri()}?mode={mode}"
        connection = sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        with closing(connection):
            yield connection
