"""A history in a PostgreSQL database, for several machines with opsproof: in the schema `opsproof`.

Only the owner of the schema may create objects there: code of another role must not run with the rights of this one.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from opsproof.core.errors import DatabaseError
from opsproof.history.layout import POSTGRESQL, VERSION, statements
from opsproof.history.recording import Row
from opsproof.postgres.dsn import one_line, parsed, session_options

_TIMEOUTS = "-c statement_timeout=10s -c lock_timeout=10s -c idle_in_transaction_session_timeout=60s"
_KEEPALIVE = {"tcp_user_timeout": 10_000, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 2}
"""A server that vanished is noticed after 20 seconds; the first is in milliseconds, the second and third in seconds."""
_LOCK = "SELECT pg_advisory_xact_lock(hashtext('opsproof.history'))"
_STATE = """
    SELECT obj_description(oid, 'pg_namespace'), nspowner = (SELECT oid FROM pg_roles WHERE rolname = current_user),
           EXISTS (SELECT FROM aclexplode(coalesce(nspacl, acldefault('n', nspowner)))
                    WHERE privilege_type = 'CREATE' AND grantee <> nspowner)
      FROM pg_namespace WHERE nspname = 'opsproof'
"""
_PREFIX = "opsproof history, layout "


class PostgresConnection:
    """A connection whose statements have the placeholders of SQLite, `?` and `:name`."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def execute(self, statement: str, values: Row | dict[str, Any] = ()) -> Any:
        """The cursor of a statement."""
        return (
            self._connection.execute(*_prepared(statement, values)) if values else self._connection.execute(statement)
        )

    def query(self, statement: str, values: Row = ()) -> list[Any]:
        """The rows of a statement."""
        found: list[Any] = self.execute(statement, values).fetchall()
        return found

    def write(self, statement: str, rows: Sequence[Row]) -> None:
        """Executes a statement for each of `rows`."""
        with self._connection.cursor() as cursor:
            cursor.executemany(translated(statement), [_storable(each) for each in rows])


def translated(statement: str) -> str:
    """A statement with the placeholders of psycopg."""
    return re.sub(r"(?<![:\w]):(\w+)", r"%(\1)s", statement.replace("%", "%%").replace("?", "%s"))


def _prepared(statement: str, values: Row | dict[str, Any]) -> tuple[str, Any]:
    given = (
        dict(zip(values, _storable([*values.values()]), strict=True)) if isinstance(values, dict) else _storable(values)
    )
    return translated(statement), given


def _storable(values: Row) -> list[Any]:
    """The values without NUL in texts, which PostgreSQL refuses."""
    return [each.replace("\0", "\ufffd") if isinstance(each, str) else each for each in values]


def parameters_of(url: str) -> dict[str, Any]:
    """The parameters of a URL without a secret; an error repeats nothing of the URL.

    Raises:
        DatabaseError: the URL is not valid or contains a secret.
    """
    try:
        return parsed(url)
    except DatabaseError as error:
        said = str(error) if str(error).startswith("the dsn contains ") else "the URL is not valid"
        raise DatabaseError(f"{said}: write postgresql://role@server/database, the password in a file") from None


def history_url(text: str) -> str:
    """`text`, if it is a URL of PostgreSQL without a secret.

    Raises:
        ValueError: the URL is not valid, or has a password, which other users of this machine could see.
    """
    if not text.startswith(("postgresql://", "postgres://")):
        raise ValueError("write postgresql://role@server/database")
    try:
        parameters_of(text)
    except DatabaseError as error:
        raise ValueError(str(error)) from None
    return text


class PostgresHistory:
    """The tables of a history in the database at `url`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Any = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing was recorded yet: never known before the database is asked."""
        return False

    @contextmanager
    def reading(self) -> Iterator[PostgresConnection]:
        """A connection to read only, with the tables of the current layout.

        Raises:
            DatabaseError: the server is out of reach, or the history is of a newer version, or has no tables yet.
        """
        with _as_database_errors():
            connection = self._open()
            if _layout(connection) != VERSION:
                with self.writing():
                    pass
            with connection.transaction():
                yield PostgresConnection(connection)

    @contextmanager
    def writing(self) -> Iterator[PostgresConnection]:
        """A transaction that no other writer shares; the tables are created first.

        Raises:
            DatabaseError: the server is out of reach, or the history is of a newer version.
        """
        with _as_database_errors():
            self._close_if_lost()
            connection = self._open()
            with connection.transaction():
                connection.execute(_LOCK)
                if _layout(connection) != VERSION:
                    _create(connection)
                yield PostgresConnection(connection)

    def _close_if_lost(self) -> None:
        """A round may last longer than a server or a firewall keeps a connection."""
        import psycopg

        if self._connection is not None and not self._connection.closed:
            try:
                self._connection.execute("SELECT 1")
            except psycopg.OperationalError:
                self._connection.close()

    def _open(self) -> Any:
        if self._connection is None or self._connection.closed:
            import psycopg

            options = session_options(after=_TIMEOUTS)
            parameters = {
                **_KEEPALIVE,
                "connect_timeout": 5,
                "application_name": "opsproof",
                **parameters_of(self._url),
                "options": options,
            }
            self._connection = psycopg.connect(**parameters, autocommit=True)
            self._connection.execute("SET search_path = pg_catalog, opsproof, pg_temp")
        return self._connection


@contextmanager
def _as_database_errors() -> Iterator[None]:
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        raise DatabaseError(one_line(str(error))) from error


def _layout(connection: Any) -> int:
    """The version of the layout in the comment of the schema; 0 without a schema.

    Raises:
        DatabaseError: a newer version wrote the tables, or other roles may create objects in the schema.
    """
    row = connection.execute(_STATE).fetchone()
    if row is None:
        return 0
    comment, is_own, is_open = row
    if not is_own or is_open:
        raise DatabaseError("the schema opsproof must belong to the role of the history, and no other may create in it")
    number = (comment or "").removeprefix(_PREFIX)
    found = int(number) if number.isdigit() else 0
    if found > VERSION:
        raise DatabaseError(f"written by a newer version of opsproof (layout {found}, known {VERSION})")
    return found


def _create(connection: Any) -> None:
    connection.execute("CREATE SCHEMA IF NOT EXISTS opsproof")
    connection.execute("SET LOCAL search_path = opsproof, pg_catalog, pg_temp")
    for statement in statements(POSTGRESQL):
        connection.execute(statement)
    connection.execute(f"COMMENT ON SCHEMA opsproof IS '{_PREFIX}{VERSION}'")
    connection.execute("SET LOCAL search_path = pg_catalog, opsproof, pg_temp")
