"""Whether databases accept connections, and how many connections are left."""

from dataclasses import dataclass

from opsproof.core import scripts
from opsproof.core.errors import MeasurementError, OutputError
from opsproof.facts.base import SqlFact
from opsproof.facts.sessions import NEEDS_PG_MONITOR
from opsproof.inventory.resources import Database
from opsproof.postgres.connection import Result


@dataclass(frozen=True)
class PingResult:
    """Result of a connection attempt: `refusal` is empty on success; time in seconds."""

    refusal: str
    elapsed_s: float

    @property
    def answer_s(self) -> float:
        """Seconds to connect and run a query.

        Raises:
            MeasurementError: the connection was refused.
        """
        if self.refusal:
            raise MeasurementError(f"connection refused: {self.refusal}")
        return self.elapsed_s


class DatabasePings(SqlFact[PingResult]):
    """Connects and runs the smallest query."""

    sql = "SELECT 1"

    def parse(self, result: Result, database: Database) -> PingResult:
        """A refused connection or a missing database is a measured state; a wrong password is an error."""
        if not result.refusal and result.require() != [[1]]:
            raise OutputError(f"SELECT 1 returned {result.rows}")
        return PingResult(result.refusal, result.elapsed_s)


@dataclass(frozen=True)
class ConnectionUse:
    """Client connections by state; `available` is max_connections less reserved connections.

    `own` lists (name, used, limit) for roles and the database with their own connection limit.
    """

    by_state: dict[str, int]
    available: int
    own: tuple[tuple[str, int, int], ...] = ()

    @property
    def limits(self) -> list[tuple[str, int, int]]:
        """(name, used, limit) of the server, roles and database, the fullest first."""
        server = ("server", sum(self.by_state.values()), self.available)
        return sorted([server, *self.own], key=lambda each: -each[1] / each[2])

    @property
    def used(self) -> float:
        """Percentage of the fullest limit in use."""
        _, used, most = self.limits[0]
        return 100 * used / most

    @property
    def evidence(self) -> list[str]:
        """Use of each limit, then connections by state."""
        states = [f"{count} {state}" for state, count in sorted(self.by_state.items())]
        return [*(f"{name}: {used} of {most}" for name, used, most in self.limits), *states]


class DatabaseConnections(SqlFact[ConnectionUse]):
    """Client connections of the whole server by state, and use of the connection limits of roles and database.

    Reserved connections are not for ordinary users:
    https://www.postgresql.org/docs/current/runtime-config-connection.html#GUC-MAX-CONNECTIONS
    """

    sql = scripts.sql("facts/connections")

    def parse(self, result: Result, database: Database) -> ConnectionUse:
        """The query's own connection is always counted."""
        rows = result.require()
        if not rows:
            raise OutputError("pg_stat_activity is empty: even the current connection is missing")
        if not rows[0][3]:
            raise MeasurementError(NEEDS_PG_MONITOR)
        own = tuple((str(name), int(used), int(most)) for name, used, most in rows[0][4] or ())
        return ConnectionUse({row[0]: row[1] for row in rows}, rows[0][2], own)


class DatabaseSizes(SqlFact[int]):
    """Size of the whole database in bytes, with indexes and bloat."""

    sql = "SELECT pg_database_size(current_database())"

    def parse(self, result: Result, database: Database) -> int:
        """The result of pg_database_size()."""
        ((size_bytes,),) = result.require()
        return int(size_bytes)


class MaintenanceMemory(SqlFact[int]):
    """Bytes that one index build may use, shared with parallel workers."""

    sql = "SELECT pg_size_bytes(current_setting('maintenance_work_mem'))"

    def parse(self, result: Result, database: Database) -> int:
        """Server setting, unless overridden for database or role."""
        ((size_bytes,),) = result.require()
        return int(size_bytes)
