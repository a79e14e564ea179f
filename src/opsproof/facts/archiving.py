"""WAL archiving of a server."""

from dataclasses import dataclass

from opsproof.core.ages import age
from opsproof.core.errors import Absent
from opsproof.facts.base import SqlFact
from opsproof.inventory.resources import Database
from opsproof.postgres.connection import Result


@dataclass(frozen=True)
class ArchivingState:
    """Archiving settings and backlog: `mode` is archive_mode, times are in seconds.

    `waits_s` is how long the oldest finished WAL segment has waited to be archived, 0 with an empty queue.
    """

    mode: str
    timeout_s: float
    waits_s: float

    @property
    def delay_s(self) -> float:
        """How long the oldest finished segment has waited, in seconds.

        Raises:
            Absent: archiving is off.
        """
        if self.mode == "off":
            raise Absent("WAL archiving is off (archive_mode = off)")
        return self.waits_s


class Archiving(SqlFact[ArchivingState]):
    """Finished WAL segments that wait to be archived.

    The server writes a .ready file for each finished segment and renames the file to .done after archiving:
    https://www.postgresql.org/docs/current/continuous-archiving.html
    """

    resource = "archived_database"
    sql = """
        SELECT current_setting('archive_mode'),
               extract(epoch FROM current_setting('archive_timeout')::interval)::float,
               coalesce(extract(epoch FROM clock_timestamp() - min(modification)), 0)::float
          FROM pg_ls_archive_statusdir()
         WHERE name LIKE '%.ready'
    """

    def parse(self, result: Result, database: Database) -> ArchivingState:
        """Server and files share a clock: a negative age is of a file written just now, or from a wrong clock."""
        ((mode, timeout_s, waits_s),) = result.require()
        if mode not in ("off", "on", "always"):
            raise ValueError(f"unknown archive_mode {mode!r}")
        return ArchivingState(mode, float(timeout_s), age(-float(waits_s), 0.0, "a finished segment"))
