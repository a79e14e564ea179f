"""How far a dump is by the tables that it has read: for one that no earlier backup says the size of."""

from opsproof.action import Work
from opsproof.backup import source
from opsproof.errors import OutputError
from opsproof.nouns import Backup
from opsproof.shell import argv


class Tables:
    """The tables of a database, and how much of each pg_dump has read; `total_bytes` are those of all, without indexes.

    pg_dump reads one after another: one that it was seen to read, and reads no more, counts as a whole.
    """

    def __init__(self, work: Work, backup: Backup) -> None:
        self._work, self._backup = work, backup
        self._sizes = {int(table): float(size) for table, size in self._asked("sizes.sql")}
        self._left: set[int] = set()
        self._now: dict[int, float] = {}

    @property
    def total_bytes(self) -> float:
        """Bytes of all of them."""
        return sum(self._sizes.values())

    def read_bytes(self) -> float:
        """Bytes of what has been read so far; those of a table that was read in no time are not among them.

        Raises:
            MeasurementError: the server gives no answer.
        """
        now = {int(table): float(share) for table, share in self._asked("read.sql")}
        self._left |= self._now.keys() - now.keys()
        self._now = now
        whole = sum(self._sizes.get(each, 0.0) for each in self._left - now.keys())
        return whole + sum(self._sizes.get(each, 0.0) * share for each, share in now.items())

    def _asked(self, script: str) -> list[list[str]]:
        command = argv(*source.watching(self._work.host, self._backup, script), timeout_s=5)
        (answer,) = self._work.ask(command)
        lines = answer.require("psql").stdout.splitlines()
        found = [line.split("\t") for line in lines]
        if any(len(each) != 2 for each in found):
            raise OutputError(f"psql does not tell what {script} asks")
        return found
