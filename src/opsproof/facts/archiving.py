"""How a server archives its write-ahead log."""

from dataclasses import dataclass

from opsproof.core.errors import Absent
from opsproof.facts.base import SqlFact
from opsproof.inventory.resources import Database
from opsproof.postgres.connection import Result


@dataclass(frozen=True)
class ArchivingState:
    """What the server says of its archiving: `mode` is its setting, times are in seconds.

    `waits_s` is how long the oldest finished segment has waited for the archive, 0 where none does.
    """

    mode: str
    timeout_s: float
    waits_s: float

    @property
    def delay_s(self) -> float:
        """How long the oldest finished segment has waited.

        Raises:
            Absent: the server archives nothing.
        """
        if self.mode == "off":
            raise Absent("the server archives nothing: archive_mode is off")
        return self.waits_s


class Archiving(SqlFact[ArchivingState]):
    """Whether finished segments of the log wait for the archive.

    The server writes a file *.ready for each that is finished, and gives it another name once it is archived:
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
        """The clock of the server is that of its files; one that was written this moment is no older than that."""
        ((mode, timeout_s, waits_s),) = result.require()
        if mode not in ("off", "on", "always"):
            raise ValueError(f"archive_mode is {mode}")
        return ArchivingState(mode, float(timeout_s), max(0.0, float(waits_s)))
