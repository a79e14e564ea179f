"""One declared dump: dump the database, read the set back, prune expired backups. `target` makes copies."""

import re
import time
from collections.abc import Callable, Iterable, Sequence
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
from opsproof.backup_store.folder import HostFolder, remove_commands, withdraw_command
from opsproof.backup_store.manifest import ManifestError
from opsproof.backup_store.off_site import overlap
from opsproof.backup_store.omission import listed, losses
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

_UNDERSTOOD = re.compile(
    r"subscriptions not dumped because|collation version mismatch|no actual collation version"
    r'|^WARNING: +(?:invalid value for|permission denied to set) parameter "'
)
"""Warnings about subscriptions, which the manifest names; about collations, which a dump does not depend on; and about
settings of a role or database that a session starts without."""


class BackupJob:
    """A new dump of one database."""

    def __init__(self, action: DeclaredBackups, name: str) -> None:
        self.action, self.name = action, name
        self.host, self.work, self.quiet = action.host, action.work, action.options.json
        self.backup: Backup = self.host.backups[name]
        self.folder = action.read_dump_folder(name)
        self.source = source.parse(self.work.ask(*source.commands(self.host, self.backup)))
        self.set = self.folder.fresh_name
        self.made = DumpReading(self.set)
        self.host_now = self.folder.now
        self.places = HostFolder(self.host, self.backup.folder).places() if self.backup.off_site else []
        self.now = min(self.host_now, time.time())
        """The earlier of the two clocks, host and controller: a clock running ahead would expire backups too soon."""
        self.targets = [CopyTarget(self, each) for each in self.backup.off_site]

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

    @property
    def leftovers(self) -> str:
        """Names of leftover files of interrupted backups."""
        return ", ".join(each.name for each in self.folder.leftovers)

    @property
    def expired(self) -> list[str]:
        """Backups that expire once the new backup exists."""
        return expired([*self.folder.sets, self.set], self.backup, self.now)

    def guard(self) -> None:
        """Refuses a dump that would fail or not be private.

        Raises:
            Refused: the role lacks rights, the client is too old, or other users can write to the folder.
        """
        self.source.require_everything(self.backup)
        if self.folder.open_to_others:
            raise Refused(f"other users can change the backup folder: {self.folder.open_to_others}: chmod 0700")
        self._require_distinct_targets()

    def _require_distinct_targets(self) -> None:
        known: dict[str, str] = {}
        for target in (each for each in self.targets if each.places):
            if how := overlap(target.places, self.places):
                raise Refused(f"off_site {target.address} {how} the backup folder {self.backup.folder}")
            if (place := target.places[0]) in known:
                raise Refused(f"off_site {target.address} is the same as {known[place]}")
            known[place] = target.address

    def sweep(self) -> None:
        """Removes the leftovers of interrupted backups."""
        self._remove([each.name for each in self.folder.leftovers])

    def _remove(self, files: list[str], sets: Sequence[str] = ()) -> None:
        withdrawn = [withdraw_command(self.backup.folder, sets)] if sets else []
        for command in (*withdrawn, *remove_commands(self.backup.folder, files)):
            self.work.do(command, "removing")

    def dump(self) -> None:
        """Dumps the database, and reads the new set back.

        Raises:
            StepFailed: the dump failed, or the new set is damaged or incomplete.
        """
        command = source.dump_command(self.host, self.backup, self.set, self.source)
        total, done = self._progress()
        with progress.reporting_bytes("dumped", total, self.work.say, quiet=self.quiet) as report:
            progress.watch(lambda: self._do(command), done, report)
        self.made = self._require_sound(self.set)
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

    def read_set(self, set_name: str) -> DumpReading:
        """A set read back from disk.

        Raises:
            MeasurementError: the set cannot be read.
        """
        found = self.action.read_dump_folder(self.name, set_name, self.backup.timeout).reading
        return found or DumpReading(set_name)

    def _require_sound(self, set_name: str) -> DumpReading:
        """Reads a set back; StepFailed unless the set matches its manifest and contains all tables."""
        try:
            reading = self.read_set(set_name)
            flaws = reading.flaws() or [
                f"table {each} is missing from the archive" for each in reading.lacks(*self.backup.tables)
            ]
        except OpsproofError as error:
            raise StepFailed(f"{set_name} cannot be read back: {error}") from error
        if flaws:
            raise StepFailed(f"{set_name}: {'; '.join(flaws[:3])}")
        return reading

    def prune(self) -> None:
        """Removes expired backups, after verifying the `keep_least` newest backups that stay."""
        staying = dump_folder.in_order({*self.folder.sets, self.set} - {*self.expired}, self.host_now)
        for each in staying[-self.backup.keep_least :]:
            self._require_sound(each)
        files = [each.name for name in self.expired for each in self.folder.files(name)]
        self._remove([*files, *(f"{each}.manifest.json.partial" for each in self.expired)], self.expired)

    def prove(self) -> None:
        """Proves that the new backup exists, and that leftovers and expired backups are gone.

        Raises:
            NotRepaired: the new backup is missing or incomplete, or leftovers or expired backups or copies remain.
        """
        now = self.action.read_dump_folder(self.name)
        remaining = [each.name for each in now.leftovers] + [each for each in self.expired if each in now.sets]
        if self.set not in now.sets:
            raise NotRepaired(f"backup {self.set} is missing")
        if lost := losses(self.made.manifest.not_dumped, self.backup):
            raise NotRepaired(f"{self.set} lacks {listed(lost)}, made since the plan")
        if remaining:
            raise NotRepaired(f"not removed: {', '.join(remaining)}")
        for target in self.targets:
            target.prove()


def require_room(jobs: list[BackupJob]) -> None:
    """Refuses dumps that do not all fit on their disks.

    Raises:
        Refused: a file system has too little free space for the dumps that share it.
    """
    for device in sorted({each.folder.device for each in jobs}):
        sharing = [each for each in jobs if each.folder.device == device]
        needed = room.MARGIN * sum(each.expected_bytes for each in sharing)
        room.require_room(sharing[0].backup.folder, sharing[0].folder.free_bytes, needed)


def require_understood(warnings: Iterable[str]) -> None:
    """Checks that each warning of the programs is known not to concern the content of a dump.

    Raises:
        NotRepaired: the meaning of a warning is unknown.
    """
    if unknown := [each for each in warnings if not _UNDERSTOOD.search(each)]:
        raise NotRepaired(f"the backup was made, but with a warning: {unknown[0]}")
