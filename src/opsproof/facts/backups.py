"""Whether backups are made, intact, private and within retention."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from opsproof.backup_store import dump_folder, files_manifest, pgbackrest
from opsproof.backup_store.dump_folder import DumpFolder, DumpReading
from opsproof.backup_store.files_manifest import FilesManifest
from opsproof.backup_store.manifest import ManifestError
from opsproof.backup_store.pgbackrest import Stanza
from opsproof.backup_store.retention import expired
from opsproof.core.errors import Absent, Unusable
from opsproof.facts.base import ResourceFact
from opsproof.inventory.backups import Backup
from opsproof.inventory.hosts import Host
from opsproof.transport.shell import Answer, Command

COMPARED = 7
"""Number of earlier backups in the median that the newest size is compared with."""
GRACE_S = 26 * 3600.0
"""A backup may outlive retention by 26 hours: a daily run prunes."""


def change(sizes: Sequence[int]) -> float:
    """Last size against the median of the seven sizes before, in percent; 0 for the first backup."""
    before = sizes[:-1][-COMPARED:]
    return 100 * (sizes[-1] / median(before) - 1) if before and median(before) else 0.0


def room(free_bytes: int | None, size_bytes: int) -> float:
    """Free space as a percentage of a backup's size.

    Raises:
        Absent: no folder is declared.
    """
    if free_bytes is None:
        raise Absent("free space is unknown: no backup folder is declared")
    return 100 * free_bytes / size_bytes if size_bytes else 0.0


@dataclass(frozen=True)
class BackupState:
    """Dumps of one database, or backups of files; sizes in bytes, ages in seconds. Missing values raise `Absent`."""

    folder: DumpFolder
    declared: Backup

    @property
    def newest(self) -> str:
        """Name of the newest backup."""
        return self.folder.newest

    @property
    def age_s(self) -> float:
        """Seconds since the newest backup began.

        Raises:
            OutputError: the backup is dated in the future.
        """
        return self.folder.age(self.newest)

    @property
    def size_bytes(self) -> int:
        """Size of the newest backup."""
        return self.folder.size(self.newest)

    @property
    def size_change(self) -> float:
        """Newest size against the median of the seven before, in percent; 0 for the first backup."""
        return change([self.folder.size(each) for each in (*self.folder.sets[:-1], self.newest)])

    @property
    def kept(self) -> int:
        """Number of backups."""
        return len(self.folder.sets)

    @property
    def _reading(self) -> DumpReading:
        return self.folder.reading or DumpReading(self.newest)

    @property
    def flaws(self) -> list[str]:
        """Mismatches between the newest backup and its manifest."""
        return self._reading.flaws()

    @property
    def lacks(self) -> list[str]:
        """Tables missing from the newest backup, among those declared or listed in the manifest.

        Raises:
            MeasurementError: pg_restore cannot run.
            Unusable: the manifest cannot be read.
        """
        try:
            return self._reading.lacks(*self.declared.tables)
        except ManifestError as error:
            raise Unusable(str(error)) from error

    @property
    def _files_manifest(self) -> FilesManifest:
        if not self._reading.text:
            raise Unusable(f"{self.newest} has no manifest")
        try:
            return files_manifest.read(self._reading.text)
        except ManifestError as error:
            raise Unusable(str(error)) from error

    @property
    def lacking_files(self) -> list[str]:
        """Declared paths and files that the newest backup of files lacks, with the reason.

        Raises:
            Unusable: the manifest is missing or cannot be read.
        """
        return self._files_manifest.lacks(self.declared.paths)

    @property
    def held_paths(self) -> list[str]:
        """Paths that the newest backup of files holds, perhaps without some files below; raises as `lacking_files`."""
        manifest = self._files_manifest
        return [each for each in manifest.paths if manifest.holds(each)]

    @property
    def exposed(self) -> list[str]:
        """Backup files that others may access, and the folder if others may change it."""
        folder = [self.folder.open_to_others] if self.folder.open_to_others else []
        return [*folder, *(line for each in self.folder.sets for line in self.folder.exposed(each))]

    @property
    def stale(self) -> list[str]:
        """Partial files of interrupted backups, and entries that are no files."""
        return [*(each.name for each in self.folder.stale), *(f"{each}: remove it by hand" for each in self.folder.odd)]

    @property
    def overdue(self) -> list[str]:
        """Expired backups that should have been pruned the day before."""
        return expired(self.folder.sets, self.declared, self.folder.now - GRACE_S)

    @property
    def room(self) -> float:
        """Free space as a percentage of the newest backup's size."""
        return room(self.folder.free_bytes, self.size_bytes)


@dataclass(frozen=True)
class StanzaState:
    """A pgBackRest stanza, with the properties of `BackupState`; missing values raise `Absent`."""

    stanza: Stanza

    @property
    def newest(self) -> str:
        """Label of the newest backup."""
        return self.stanza.newest.label

    @property
    def age_s(self) -> float:
        """Seconds since the newest backup began.

        Raises:
            OutputError: the backup is dated in the future.
        """
        return self.stanza.age_s

    @property
    def size_bytes(self) -> int:
        """Repository bytes needed to restore the newest backup; comparable across backup types."""
        return self.stanza.newest.size_bytes

    @property
    def size_change(self) -> float:
        """Newest size against the median of the seven before, in percent; 0 for the first backup."""
        return change([each.size_bytes for each in (*self.stanza.backups[:-1], self.stanza.newest)])

    @property
    def kept(self) -> int:
        """Number of backups of all types."""
        return len(self.stanza.backups)

    @property
    def flaws(self) -> list[str]:
        """Known errors of the newest backup, from pgBackRest's metadata; files are not read."""
        return self.stanza.flaws(self.stanza.newest)

    @property
    def stale(self) -> list[str]:
        """Folders of interrupted backups."""
        return self.stanza.interrupted

    @property
    def room(self) -> float:
        """Free space as a percentage of the newest backup's size."""
        return room(self.stanza.free_bytes, self.size_bytes)


class Backups(ResourceFact[Backup, BackupState | StanzaState]):
    """State of each declared backup; the newest dump is read in full."""

    resource = "backup"

    def command(self, host: Host, name: str, resource: Backup) -> Command:
        """Inspects the folder or the stanza; pg_restore runs in the server's container, if any."""
        if resource.engine == "pgbackrest":
            return pgbackrest.stanza_command(resource)
        return dump_folder.command(resource, name, "newest", dump_folder.client(host, resource))

    def parse(self, answer: Answer, name: str, resource: Backup) -> BackupState | StanzaState:
        """The state; a missing folder or stanza holds no backups."""
        if resource.engine == "pgbackrest":
            return StanzaState(pgbackrest.parse(answer, resource))
        return BackupState(dump_folder.parse(answer, name, resource.folder), resource)
