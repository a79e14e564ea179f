"""Whether databases answer, and the room left for connections."""

from dataclasses import dataclass

from opsproof.core import scripts
from opsproof.core.errors import MeasurementError, OutputError
from opsproof.facts.base import SqlFact
from opsproof.facts.sessions import BLIND
from opsproof.inventory.resources import Database
from opsproof.postgres.connection import Result


@dataclass(frozen=True)
class PingResult:
    """How a database receives a client: `refusal` is empty when it accepted; time in seconds."""

    refusal: str
    elapsed_s: float

    @property
    def answer_s(self) -> float:
        """Time to connect and be answered, in seconds.

        Raises:
            MeasurementError: it was refused.
        """
        if self.refusal:
            raise MeasurementError(f"no query could be asked: {self.refusal}")
        return self.elapsed_s


class DatabaseReceptions(SqlFact[PingResult]):
    """A connection and the smallest query."""

    sql = "SELECT 1"

    def parse(self, result: Result, database: Database) -> PingResult:
        """A refusal is a measurement; a wrong password or name is none."""
        if not result.refusal and result.require() != [[1]]:
            raise OutputError(f"SELECT 1 is answered with {result.rows}")
        return PingResult(result.refusal, result.elapsed_s)


@dataclass(frozen=True)
class ConnectionUse:
    """Client connections in use by state, and what is left for users of `max_connections`.

    `own` are those of roles and of the database that have a limit of their own, with that limit.
    """

    by_state: dict[str, int]
    available: int
    own: tuple[tuple[str, int, int], ...] = ()

    @property
    def limits(self) -> list[tuple[str, int, int]]:
        """What is limited, how many of it are in use and how many may be; the fullest first."""
        server = ("the server", sum(self.by_state.values()), self.available)
        return sorted([server, *self.own], key=lambda each: -each[1] / each[2])

    @property
    def used(self) -> float:
        """Percentage of the connections that may be, of what is fullest."""
        _, used, most = self.limits[0]
        return 100 * used / most

    @property
    def evidence(self) -> list[str]:
        """How full each limit is, and what the connections do."""
        states = [f"{count} {state}" for state, count in sorted(self.by_state.items())]
        return [*(f"{name}: {used} of {most}" for name, used, most in self.limits), *states]


class DatabaseConnections(SqlFact[ConnectionUse]):
    """Client connections of the whole server, by state, and those of roles and the database with a limit of their own.

    Reserved ones are not for users:
    https://www.postgresql.org/docs/current/runtime-config-connection.html#GUC-MAX-CONNECTIONS
    """

    sql = scripts.sql("facts/connections")

    def parse(self, result: Result, database: Database) -> ConnectionUse:
        """At least the asking connection itself is counted."""
        rows = result.require()
        if not rows:
            raise OutputError("pg_stat_activity shows no connection, not even this one")
        if not rows[0][3]:
            raise MeasurementError(BLIND)
        own = tuple((str(name), int(used), int(most)) for name, used, most in rows[0][4] or ())
        return ConnectionUse({row[0]: row[1] for row in rows}, rows[0][2], own)


class DatabaseSizes(SqlFact[int]):
    """Bytes of the whole database, with indexes and what is dead."""

    sql = "SELECT pg_database_size(current_database())"

    def parse(self, result: Result, database: Database) -> int:
        """The size as the server counts it."""
        ((size_bytes,),) = result.require()
        return int(size_bytes)


class MaintenanceMemory(SqlFact[int]):
    """Bytes that one building of an index may take, shared with its parallel workers."""

    sql = "SELECT pg_size_bytes(current_setting('maintenance_work_mem'))"

    def parse(self, result: Result, database: Database) -> int:
        """The server's setting, where neither database nor role has its own."""
        ((size_bytes,),) = result.require()
        return int(size_bytes)
