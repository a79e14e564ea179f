"""Progress of a dump by tables read, for a first dump without an earlier backup to estimate the size from."""

from opsproof.action import Work
from opsproof.backup import source
from opsproof.core.errors import OutputError
from opsproof.inventory.backups import Backup


class DumpProgress:
    """Progress of pg_dump in bytes of tables.

    pg_dump reads tables one after another, by schema and name (DOTypeNameCompare in
    https://github.com/postgres/postgres/blob/master/src/bin/pg_dump/pg_dump_sort.c). So all tables before the current
    table count as read.
    """

    def __init__(self, work: Work, backup: Backup) -> None:
        self._work, self._backup = work, backup
        self._sizes = {int(table): float(size) for table, size in self._fetch("table_sizes")}
        self._done = 0.0

    @property
    def total_bytes(self) -> float:
        """Total size of all tables without indexes, in bytes."""
        return sum(self._sizes.values())

    def read_bytes(self) -> float:
        """Bytes of tables read so far.

        Raises:
            MeasurementError: the query failed.
        """
        shares = {int(table): float(share) for table, share in self._fetch("dump_progress")}
        before = 0.0
        for table, size in self._sizes.items():
            if table in shares:
                self._done = max(self._done, before + size * shares[table])
            before += size
        return self._done

    def _fetch(self, script: str) -> list[list[str]]:
        (answer,) = self._work.ask(source.progress_command(self._work.host, self._backup, script))
        lines = answer.require("psql").stdout.splitlines()
        found = [line.split("\t") for line in lines]
        if any(len(each) != 2 for each in found):
            raise OutputError(f"unexpected output of psql for {script}.sql")
        return found
