"""What is done for one declared backup: looked at, dumped, read back, let go; `target` has its copies."""

import time
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from typing import Any

from opsproof.action import progress, room
from opsproof.backup import source
from opsproof.backup.declared import DeclaredBackups
from opsproof.backup.tables import DumpProgress
from opsproof.backup.target import CopyTarget
from opsproof.backup_store import dump_folder, manifest
from opsproof.backup_store.dump_folder import DumpReading
from opsproof.backup_store.folder import remove_commands
from opsproof.backup_store.manifest import ManifestError
from opsproof.backup_store.retention import expired
from opsproof.core.errors import (
    MeasurementError,
    NotRepaired,
    OpsproofError,
    OutputError,
    Refused,
    StepFailed,
)
from opsproof.core.units import show
from opsproof.inventory.resources import Backup
from opsproof.transport.shell import argv


class BackupJob:
    """The backup of one database that is to be made now."""

    def __init__(self, action: DeclaredBackups, name: str) -> None:
        self.action, self.name = action, name
        self.host, self.work, self.quiet = action.host, action.work, action.options.json
        self.backup: Backup = self.host.backups[name]
        self.folder = action.read_dump_folder(name)
        self.source = source.parse(self.work.ask(*source.commands(self.host, self.backup)))
        self.set = self.folder.fresh_name
        self.made = DumpReading(self.set)
        self.host_now = self.folder.now
        self.now = min(self.host_now, time.time())
        """The older of both clocks, the host's and ours: one that is ahead would let go of what is young."""
        self.targets = [CopyTarget(self, each) for each in self.backup.off_site]

    @cached_property
    def expected_bytes(self) -> int:
        """The size of the last backup, and as much more as the database has grown since; else that of the database."""
        if not self.folder.sets:
            return self.source.size_bytes
        newest = self.folder.newest
        (answer,) = self.work.ask(argv("cat", "--", f"{self.backup.folder}/{newest}.manifest.json"))
        try:
            then = int(manifest.read(answer.stdout).server["bytes"]) or self.source.size_bytes
        except (ManifestError, KeyError):
            then = self.source.size_bytes
        return int(self.folder.size(newest) * max(1.0, self.source.size_bytes / then))

    @property
    def outlook(self) -> str:
        """What of, with what, where to, how large and how much room there is."""
        size, whole = show(self.expected_bytes, "bytes"), show(self.source.size_bytes, "bytes")
        return (
            f"of {self.backup.database} ({whole}) with {self.source.version} in {self.backup.folder}: "
            f"about {size}, {show(self.folder.free_bytes, 'bytes')} are free"
        )

    @property
    def leftovers(self) -> str:
        """Files of backups that did not come to their end."""
        return ", ".join(each.name for each in self.folder.leftovers)

    @property
    def expired(self) -> list[str]:
        """The backups that need not be kept once the new one is there."""
        return expired([*self.folder.sets, self.set], self.backup, self.now)

    def guard(self) -> None:
        """Says no to a dump that would not come to its end.

        Raises:
            Refused: the role, the client or the folder is not what it must be.
        """
        self.source.require_everything(self.backup)
        if self.folder.open_to_others:
            raise Refused(f"others may change what lies there: {self.folder.open_to_others}: chmod 0700")

    def sweep(self) -> None:
        """Removes what is left of interrupted backups."""
        self._remove([each.name for each in self.folder.leftovers])

    def _remove(self, files: list[str]) -> None:
        for command in remove_commands(self.backup.folder, files):
            self.work.do(command, "removing")

    def dump(self) -> None:
        """Makes it, and reads it back.

        Raises:
            StepFailed: there is no new backup, or it is not what it should be.
        """
        command = source.dump_command(self.host, self.backup, self.set, self.source)
        total, done = self._meter()
        with progress.reporting_bytes("dumped", total, self.work.say, quiet=self.quiet) as report:
            progress.watch(lambda: self._do(command), done, report)
        self.made = self._require_sound(self.set)
        self.action.measured |= {"backup": self.name, "set": self.set}

    def _do(self, command: Any) -> None:
        self.work.do(command, "the dump")

    def _meter(self) -> tuple[float, Callable[[], float]]:
        """What the dump is measured against, and how far it is: by its own size, or by the tables that were read.

        How small a first backup becomes is not known, but how large its tables are is.
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
            raise OutputError(f"nothing of {self.set} is there yet")
        return sum(sizes)

    def read_set(self, set_name: str) -> DumpReading:
        """A set, read back from the disk.

        Raises:
            MeasurementError: it cannot be.
        """
        found = self.action.read_dump_folder(self.name, set_name, self.backup.timeout).reading
        return found or DumpReading(set_name)

    def _require_sound(self, set_name: str) -> DumpReading:
        """A set, read back: a StepFailed unless it is what its manifest says, and lists every table."""
        try:
            reading = self.read_set(set_name)
            flaws = reading.flaws() or [f"{each} is not in it" for each in reading.lacks(*self.backup.tables)]
        except OpsproofError as error:
            raise StepFailed(f"{set_name} cannot be read back: {error}") from error
        if flaws:
            raise StepFailed(f"{set_name}: {'; '.join(flaws[:3])}")
        return reading

    def prune(self) -> None:
        """Lets go what need not be kept, once as many as must be kept are proven to be sound."""
        staying = dump_folder.in_order({*self.folder.sets, self.set} - {*self.expired}, self.host_now)
        for each in staying[-self.backup.keep_least :]:
            self._require_sound(each)
        self._remove([each.name for name in self.expired for each in self.folder.files(name)])

    def prove(self) -> None:
        """Shows that the new backup is there, that nothing is left over, and that what should go is gone.

        Raises:
            NotRepaired: it is not so.
        """
        now = self.action.read_dump_folder(self.name)
        wrong = [each.name for each in now.leftovers] + [each for each in self.expired if each in now.sets]
        if self.set not in now.sets:
            raise NotRepaired(f"{self.set} is not there")
        if wrong:
            raise NotRepaired(f"still there: {', '.join(wrong)}")
        for target in self.targets:
            target.prove()


def require_room(jobs: list[BackupJob]) -> None:
    """Says no to dumps that do not all have room.

    Raises:
        Refused: the disk that they go to has less than they need.
    """
    for device in sorted({each.folder.device for each in jobs}):
        there = [each for each in jobs if each.folder.device == device]
        needed = room.MARGIN * sum(each.expected_bytes for each in there)
        room.require_room(there[0].backup.folder, there[0].folder.free_bytes, needed)
