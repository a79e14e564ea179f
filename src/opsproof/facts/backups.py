"""Whether backups are made, whole, private and as many as they should be."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from opsproof.backup_store import dump_folder, pgbackrest
from opsproof.backup_store.dump_folder import DumpFolder, DumpReading
from opsproof.backup_store.manifest import ManifestError
from opsproof.backup_store.pgbackrest import Stanza
from opsproof.backup_store.retention import expired
from opsproof.core.errors import Absent
from opsproof.facts.base import ResourceFact
from opsproof.inventory.hosts import Host
from opsproof.inventory.resources import Backup
from opsproof.transport.shell import Answer, Command

COMPARED = 7
"""The backups before the newest one that its size is compared with."""
GRACE_S = 26 * 3600.0
"""What could be let go for less than so long may still be there: a backup a day lets it go."""


def change(sizes: Sequence[int]) -> float:
    """The last size against the median of the seven before it, in percent; 0 where it is the first."""
    before = sizes[:-1][-COMPARED:]
    return 100 * (sizes[-1] / median(before) - 1) if before and median(before) else 0.0


def room(free_bytes: int | None, size_bytes: int) -> float:
    """Free space against a backup's size, in percent."""
    if free_bytes is None:
        raise Absent("no folder is declared, so that there is no disk to look at")
    return 100 * free_bytes / size_bytes if size_bytes else 0.0


@dataclass(frozen=True)
class BackupState:
    """The dumps of one database; sizes in bytes, ages in seconds. What there is none of is Absent."""

    folder: DumpFolder
    declared: Backup

    @property
    def newest(self) -> str:
        """The newest backup's name."""
        return self.folder.newest

    @property
    def age_s(self) -> float:
        """Time since the newest one began.

        Raises:
            OutputError: it is from the future, so that this is not known.
        """
        return self.folder.age(self.newest)

    @property
    def size_bytes(self) -> int:
        """The newest one's size."""
        return self.folder.size(self.newest)

    @property
    def size_change(self) -> float:
        """The newest one's size against the median of the seven before it, in percent; 0 where it is the first."""
        return change([self.folder.size(each) for each in (*self.folder.sets[:-1], self.newest)])

    @property
    def kept(self) -> int:
        """How many there are."""
        return len(self.folder.sets)

    @property
    def _reading(self) -> DumpReading:
        return self.folder.reading or DumpReading(self.newest)

    @property
    def flaws(self) -> list[str]:
        """What is wrong with the newest one by its own manifest."""
        return self._reading.flaws()

    @property
    def lacks(self) -> list[str]:
        """Tables, declared ones and those of its manifest, that the newest one does not list.

        Raises:
            MeasurementError: pg_restore cannot be run.
        """
        try:
            return self._reading.lacks(*self.declared.tables)
        except ManifestError as error:
            raise Absent(str(error)) from error

    @property
    def exposed(self) -> list[str]:
        """Files of any backup that are not for the login user alone, and the folder, where others may change it."""
        folder = [self.folder.open_to_others] if self.folder.open_to_others else []
        return [*folder, *(line for each in self.folder.sets for line in self.folder.exposed(each))]

    @property
    def stale(self) -> list[str]:
        """Files that an interrupted backup left."""
        return [each.name for each in self.folder.stale]

    @property
    def overdue(self) -> list[str]:
        """Backups that should have been let go the day before."""
        return expired(self.folder.sets, self.declared, self.folder.now - GRACE_S)

    @property
    def room(self) -> float:
        """Free space against the newest one's size, in percent."""
        return room(self.folder.free_bytes, self.size_bytes)


@dataclass(frozen=True)
class StanzaState:
    """What pgBackRest has of one cluster, by the same words; what there is none of is Absent."""

    stanza: Stanza

    @property
    def newest(self) -> str:
        """The newest backup's label."""
        return self.stanza.newest.label

    @property
    def age_s(self) -> float:
        """Time since the newest one began."""
        return self.stanza.now - self.stanza.newest.began

    @property
    def size_bytes(self) -> int:
        """What of the repository a restore of the newest one needs: comparable, of whatever type it is."""
        return self.stanza.newest.size_bytes

    @property
    def size_change(self) -> float:
        """Its size against the median of the seven before it, in percent; 0 where it is the first."""
        return change([each.size_bytes for each in (*self.stanza.backups[:-1], self.stanza.newest)])

    @property
    def kept(self) -> int:
        """How many there are, of all types."""
        return len(self.stanza.backups)

    @property
    def flaws(self) -> list[str]:
        """What is known to be wrong with the newest one; it is not read."""
        return self.stanza.flaws(self.stanza.newest)

    @property
    def stale(self) -> list[str]:
        """Folders that an interrupted backup left."""
        return self.stanza.interrupted

    @property
    def room(self) -> float:
        """Free space against the newest one's size, in percent."""
        return room(self.stanza.free_bytes, self.size_bytes)


class Backups(ResourceFact[Backup, BackupState | StanzaState]):
    """What there is of each declared backup; the newest dump is read back, all of it."""

    resource = "backup"

    def command(self, host: Host, name: str, resource: Backup) -> Command:
        """A look at the folder, or at the stanza; pg_restore is the container's where the server runs in one."""
        if resource.engine == "pgbackrest":
            return pgbackrest.stanza_command(resource)
        return dump_folder.command(resource, name, "newest", dump_folder.client(host, resource))

    def parse(self, answer: Answer, name: str, resource: Backup) -> BackupState | StanzaState:
        """The state; a folder or a stanza that is not there holds no backups."""
        if resource.engine == "pgbackrest":
            return StanzaState(pgbackrest.parse(answer, resource))
        return BackupState(dump_folder.parse(answer, name, resource.folder), resource)
