"""A declared backup of a database: dump the database with pg_dump."""

import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any

from opsproof.action import progress
from opsproof.backup import source
from opsproof.backup.declared import DeclaredBackups
from opsproof.backup.set_job import SetJob
from opsproof.backup.tables import DumpProgress
from opsproof.backup_store import manifest
from opsproof.backup_store.dump_folder import DumpReading
from opsproof.backup_store.manifest import ManifestError
from opsproof.backup_store.omission import listed, losses
from opsproof.core.errors import MeasurementError, NotRepaired, OutputError
from opsproof.core.units import show
from opsproof.transport.shell import argv

_UNDERSTOOD = re.compile(
    r"subscriptions not dumped because|collation version mismatch|no actual collation version"
    r'|^WARNING: +(?:invalid value for|permission denied to set) parameter "'
)
"""Warnings about subscriptions, which the manifest names; about collations, which a dump does not depend on; and about
settings of a role or database that a session starts without."""


class BackupJob(SetJob):
    """A new dump of one database."""

    def __init__(self, action: DeclaredBackups, name: str) -> None:
        super().__init__(action, name)
        self.source = source.parse(self.work.ask(*source.commands(self.host, self.backup)))

    @cached_property
    def expected_bytes(self) -> int:
        """Size of the newest backup, scaled by the growth of the database; without a backup, the database size."""
        if not self.folder.sets:
            return self.source.size_bytes
        newest = self.folder.newest
        (answer,) = self.work.ask(argv("cat", "--", f"{self.backup.folder}/{newest}.manifest.json"))
        try:
            before = manifest.read(answer.stdout).server["bytes"] or self.source.size_bytes
        except ManifestError:
            before = self.source.size_bytes
        return int(self.folder.size(newest) * max(1.0, self.source.size_bytes / before))

    @property
    def outlook(self) -> str:
        """Database, client version, folder, expected size, free space and what is not dumped, for the plan."""
        size, database_size = show(self.expected_bytes, "bytes"), show(self.source.size_bytes, "bytes")
        without = listed(self.source.not_dumped)
        return (
            f"of {self.backup.database} ({database_size}) with {self.source.version} in {self.backup.folder}: "
            f"about {size} ({show(self.folder.free_bytes, 'bytes')} free)"
            f"{f', without {without}' if without else ''}"
        )

    def guard(self) -> None:
        """Refuses a dump that would fail or not be private.

        Raises:
            Refused: the role lacks rights, the client is too old, or other users can write to the folder.
        """
        self.source.require_everything(self.backup)
        super().guard()

    def missing(self, reading: DumpReading) -> list[str]:
        """The tables that the archive lacks; raises as `DumpReading.lacks` does."""
        return [f"table {each} is missing from the archive" for each in reading.lacks(*self.backup.tables)]

    def make(self) -> None:
        """Dumps the database, and reads the new set back.

        Raises:
            StepFailed: the dump failed, or the new set is damaged or incomplete.
        """
        command = source.dump_command(self.host, self.backup, self.set, self.source)
        total, done = self._progress()
        with progress.reporting_bytes("dumped", total, self.work.say, quiet=self.quiet) as report:
            progress.watch(lambda: self._do(command), done, report)
        self.made = self.require_sound(self.set)
        self.action.measured |= {"backup": self.name, "set": self.set}
        if without := listed(self.made.manifest.not_dumped):
            self.action.measured["not_dumped"] = without

    def _do(self, command: Any) -> None:
        self.work.do(command, "the dump")

    def _progress(self) -> tuple[float, Callable[[], float]]:
        """Expected total, and a function that returns the progress; both in bytes of the dump file.

        The size of a first dump is unknown, so the progress is measured in bytes of tables read.
        """
        if not self.folder.sets:
            with suppress(MeasurementError):
                tables = DumpProgress(self.work, self.backup)
                return tables.total_bytes, tables.read_bytes
        return float(self.expected_bytes), self._written

    def _written(self) -> float:
        names = [f"{self.set}.{suffix}{end}" for suffix in ("dump", "dump.zst") for end in (".partial", "")]
        (answer,) = self.work.ask(argv("stat", "-c", "%s", "--", *(f"{self.backup.folder}/{each}" for each in names)))
        sizes = [float(line) for line in answer.stdout.splitlines()]
        if not sizes:
            raise OutputError(f"no file of {self.set} exists yet")
        return sum(sizes)

    def require_replaced(self, due: Sequence[str], staying: Sequence[str]) -> None:
        """Requires nothing: every dump has the whole database."""

    def require_complete(self) -> None:
        """Raises NotRepaired if the dump lacks what pg_dump left out since the plan."""
        if lost := losses(self.made.manifest.not_dumped, self.backup):
            raise NotRepaired(f"{self.set} lacks {listed(lost)}, made since the plan")


def require_understood(warnings: Iterable[str]) -> None:
    """Checks that each warning of the programs is known not to concern the content of a dump.

    Raises:
        NotRepaired: the meaning of a warning is unknown.
    """
    if unknown := [each for each in warnings if not _UNDERSTOOD.search(each)]:
        raise NotRepaired(f"the backup was made, but with a warning: {unknown[0]}")
