"""One declared backup in a folder: read a new set back, prune expired backups. `target` makes copies."""

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence

from opsproof.action import room
from opsproof.backup.declared import DeclaredBackups
from opsproof.backup.target import CopyTarget
from opsproof.backup_store import dump_folder
from opsproof.backup_store.dump_folder import DumpReading
from opsproof.backup_store.folder import HostFolder, remove_commands, withdraw_command
from opsproof.backup_store.off_site import overlap
from opsproof.backup_store.retention import expired
from opsproof.core.errors import NotRepaired, OpsproofError, Refused, StepFailed
from opsproof.inventory.backups import Backup


class SetJob(ABC):
    """A new set of a declared backup, whose retention opsproof keeps."""

    def __init__(self, action: DeclaredBackups, name: str) -> None:
        self.action, self.name = action, name
        self.host, self.work, self.quiet = action.host, action.work, action.options.json
        self.backup: Backup = self.host.backups[name]
        self.folder = action.read_dump_folder(name)
        self.set = self.folder.fresh_name
        self.made = DumpReading(self.set)
        self.host_now = self.folder.now
        self.places = HostFolder(self.host, self.backup.folder).places() if self.backup.off_site else []
        self.now = min(self.host_now, time.time())
        """The earlier of the two clocks, host and controller: a clock running ahead would expire backups too soon."""
        self.targets = [CopyTarget(self, each) for each in self.backup.off_site]

    @property
    @abstractmethod
    def expected_bytes(self) -> int:
        """Expected size of the new set, in bytes."""

    @property
    @abstractmethod
    def outlook(self) -> str:
        """Contents and expected size of the set, for the plan."""

    @abstractmethod
    def make(self) -> None:
        """Makes the set, and reads it back."""

    @abstractmethod
    def missing(self, reading: DumpReading) -> list[str]:
        """A sentence for each part that the archive of a set lacks."""

    @property
    def leftovers(self) -> str:
        """Names of leftover files of interrupted backups."""
        return ", ".join(each.name for each in self.folder.leftovers)

    @property
    def expired(self) -> list[str]:
        """Backups that expire once the new backup exists."""
        return expired([*self.folder.sets, self.set], self.backup, self.now)

    def guard(self) -> None:
        """Refuses a backup folder open to other users, and off-site copies in the backup folder.

        Raises:
            Refused: other users can write to the folder, or a target is the folder.
        """
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

    def read_set(self, set_name: str) -> DumpReading:
        """A set read back from disk.

        Raises:
            MeasurementError: the set cannot be read.
        """
        found = self.action.read_dump_folder(self.name, set_name, self.backup.timeout).reading
        return found or DumpReading(set_name)

    def require_sound(self, set_name: str) -> DumpReading:
        """Reads a set back; StepFailed unless the set matches its manifest and lacks nothing."""
        try:
            reading = self.read_set(set_name)
            flaws = reading.flaws() or self.missing(reading)
        except OpsproofError as error:
            raise StepFailed(f"{set_name} cannot be read back: {error}") from error
        if flaws:
            raise StepFailed(f"{set_name}: {'; '.join(flaws[:3])}")
        return reading

    def prune(self) -> None:
        """Removes expired backups, after verifying the `keep_least` newest backups that stay."""
        staying = dump_folder.in_order({*self.folder.sets, self.set} - {*self.expired}, self.host_now)
        self.require_replaced(self.expired, staying)
        for each in staying[-self.backup.keep_least :]:
            self.require_sound(each)
        files = [each.name for name in self.expired for each in self.folder.files(name)]
        self._remove([*files, *(f"{each}.manifest.json.partial" for each in self.expired)], self.expired)

    def prove(self) -> None:
        """Proves the new backup, and the removal of leftovers and expired backups.

        Raises:
            NotRepaired: the new backup is missing or incomplete, or leftovers or expired backups or copies remain.
        """
        now = self.action.read_dump_folder(self.name)
        remaining = [each.name for each in now.leftovers] + [each for each in self.expired if each in now.sets]
        if self.set not in now.sets:
            raise NotRepaired(f"backup {self.set} is missing")
        self.require_complete()
        if remaining:
            raise NotRepaired(f"not removed: {', '.join(remaining)}")
        for target in self.targets:
            target.prove()

    @abstractmethod
    def require_replaced(self, due: Sequence[str], staying: Sequence[str]) -> None:
        """Raises StepFailed if the sets `due` hold content missing from all sets of `staying`."""

    @abstractmethod
    def require_complete(self) -> None:
        """Raises NotRepaired if the new set lacks content, unless the plan announced the lack."""


def require_room(jobs: Sequence[SetJob]) -> None:
    """Refuses sets larger than the free space of their disks.

    Raises:
        Refused: a file system has too little free space for all sets on it.
    """
    for device in sorted({each.folder.device for each in jobs}):
        sharing = [each for each in jobs if each.folder.device == device]
        needed = room.MARGIN * sum(each.expected_bytes for each in sharing)
        room.require_room(sharing[0].backup.folder, sharing[0].folder.free_bytes, needed)
