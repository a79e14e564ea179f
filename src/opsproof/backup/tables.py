"""How far a dump is by the tables that it has read: for one that no earlier backup says the size of."""

from opsproof.action import Work
from opsproof.backup import source
from opsproof.core.errors import OutputError
from opsproof.inventory.resources import Backup


class DumpProgress:
    """The tables of a database, in pg_dump's order, and how much of them it has read.

    It reads one after another, by schema and name, as its sources say: DOTypeNameCompare in
    https://github.com/postgres/postgres/blob/master/src/bin/pg_dump/pg_dump_sort.c. So those before the one that it
    reads count as a whole.
    """

    def __init__(self, work: Work, backup: Backup) -> None:
        self._work, self._backup = work, backup
        self._sizes = {int(table): float(size) for table, size in self._fetch("table_sizes")}
        self._done = 0.0

    @property
    def total_bytes(self) -> float:
        """Bytes of all of them, without their indexes."""
        return sum(self._sizes.values())

    def read_bytes(self) -> float:
        """Bytes of what has been read so far.

        Raises:
            MeasurementError: the server gives no answer.
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
            raise OutputError(f"psql does not tell what {script} asks")
        return found
