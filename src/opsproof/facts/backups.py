"""Whether backups are made, whole, private and as many as they should be."""

from dataclasses import dataclass
from statistics import median

from opsproof.backup import shelf
from opsproof.backup.manifest import ManifestError
from opsproof.backup.retention import expendable
from opsproof.backup.shelf import Reading, Shelf
from opsproof.errors import Absent
from opsproof.fact import NounFact
from opsproof.models import Host
from opsproof.nouns import Backup
from opsproof.shell import Answer, Command

COMPARED = 7
"""The backups before the newest one that its size is compared with."""
GRACE_S = 26 * 3600.0
"""What could be let go for less than so long may still be there: a backup a day lets it go."""


@dataclass(frozen=True)
class BackupState:
    """The backups of one database; sizes in bytes, ages in seconds. What there is none of is Absent."""

    shelf: Shelf
    declared: Backup

    @property
    def newest(self) -> str:
        """The newest backup's name."""
        return self.shelf.newest

    @property
    def age_s(self) -> float:
        """Time since the newest one began.

        Raises:
            OutputError: it is from the future, so that this is not known.
        """
        return self.shelf.age(self.newest)

    @property
    def size_bytes(self) -> int:
        """The newest one's size."""
        return self.shelf.size(self.newest)

    @property
    def size_change(self) -> float:
        """The newest one's size against the median of the seven before it, in percent; 0 where it is the first."""
        size = self.size_bytes
        sizes = [self.shelf.size(each) for each in self.shelf.sets[:-1][-COMPARED:]]
        return 100 * (size / median(sizes) - 1) if sizes and median(sizes) else 0.0

    @property
    def _reading(self) -> Reading:
        return self.shelf.reading or Reading(self.newest)

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
        folder = [self.shelf.open_to_others] if self.shelf.open_to_others else []
        return [*folder, *(line for each in self.shelf.sets for line in self.shelf.exposed(each))]

    @property
    def stale(self) -> list[str]:
        """Files that an interrupted backup left."""
        return [each.name for each in self.shelf.stale]

    @property
    def overdue(self) -> list[str]:
        """Backups that should have been let go the day before."""
        return expendable(self.shelf.sets, self.declared, self.shelf.now - GRACE_S)

    @property
    def room(self) -> float:
        """Free space against the newest one's size, in percent."""
        return 100 * self.shelf.free_bytes / self.size_bytes if self.size_bytes else 0.0


class Backups(NounFact[Backup, BackupState]):
    """What lies in the folder of each declared backup; the newest one is read back, all of it."""

    noun = "backup"

    def command(self, host: Host, name: str, noun: Backup) -> Command:
        """A look at the folder; pg_restore is the container's where the server runs in one."""
        return shelf.look(noun, name, "newest", shelf.client(host, noun))

    def parse(self, answer: Answer, name: str, noun: Backup) -> BackupState:
        """The state; a folder that is not there holds no backups."""
        return BackupState(shelf.seen(answer, name, noun.folder), noun)
