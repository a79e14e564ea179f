"""Whether databases answer, and the room left for connections."""

from dataclasses import dataclass

from opsproof.database import Result
from opsproof.errors import MeasurementError, OutputError
from opsproof.fact import SqlFact
from opsproof.facts.sessions import BLIND
from opsproof.nouns import Database


@dataclass(frozen=True)
class Reception:
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


class DatabaseReceptions(SqlFact[Reception]):
    """A connection and the smallest query."""

    sql = "SELECT 1"

    def parse(self, result: Result, database: Database) -> Reception:
        """A refusal is a measurement; a wrong password or name is none."""
        if not result.refusal and result.require() != [[1]]:
            raise OutputError(f"SELECT 1 is answered with {result.rows}")
        return Reception(result.refusal, result.elapsed_s)


@dataclass(frozen=True)
class ConnectionUse:
    """Client connections in use by state, and what is left for users of `max_connections`."""

    by_state: dict[str, int]
    available: int

    @property
    def used(self) -> float:
        """Percentage of the connections left for users."""
        return 100 * sum(self.by_state.values()) / self.available


class DatabaseConnections(SqlFact[ConnectionUse]):
    """Client connections of the whole server, by state.

    Reserved ones are not for users:
    https://www.postgresql.org/docs/current/runtime-config-connection.html#GUC-MAX-CONNECTIONS
    """

    sql = """
        SELECT coalesce(state, 'starting'), count(*),
               current_setting('max_connections')::int
                 - current_setting('superuser_reserved_connections')::int
                 - coalesce(current_setting('reserved_connections', true)::int, 0),
               pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')
          FROM pg_stat_activity
         WHERE backend_type = 'client backend'
         GROUP BY 1
    """

    def parse(self, result: Result, database: Database) -> ConnectionUse:
        """At least the asking connection itself is counted."""
        rows = result.require()
        if not rows:
            raise OutputError("pg_stat_activity shows no connection, not even this one")
        if not rows[0][3]:
            raise MeasurementError(BLIND)
        return ConnectionUse({row[0]: row[1] for row in rows}, rows[0][2])


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
