"""What is done for one declared backup: looked at, dumped, read back, copied, let go."""

from typing import Any

from opsproof.action import Action
from opsproof.backup import offsite, progress, shelf, source
from opsproof.backup.retention import expendable
from opsproof.backup.shelf import Reading, Shelf
from opsproof.errors import Absent, InventoryError, MeasurementError, NotRepaired, OpsproofError, Refused, StepFailed
from opsproof.nouns import Backup
from opsproof.quantities import show
from opsproof.shell import argv

MARGIN = 1.2
"""Room for so many times the expected size must be free before a dump begins."""


class DeclaredBackups(Action):
    """An action on the declared backups of a host, or on the one that the command line names."""

    name = ""

    @property
    def chosen(self) -> list[str]:
        """Their names.

        Raises:
            InventoryError: there is none, or none of this name.
        """
        declared = list(self.host.backups)
        wanted = self.options.backup
        if not declared or wanted not in (None, *declared):
            known = f"--backup: {wanted!r} is none of {', '.join(declared)}"
            raise InventoryError(known if declared else f"hosts.{self.host.name} declares no backups")
        return declared if wanted is None else [wanted]

    def shelf(self, name: str, read: str = "none", timeout_s: float = shelf.LOOK_TIMEOUT_S) -> Shelf:
        """What lies in the folder of the backup called `name`, with one set read back.

        Raises:
            MeasurementError: it cannot be told; also where there is no folder.
        """
        backup = self.host.backups[name]
        (answer,) = self.work.ask(shelf.look(backup, name, read, shelf.client(self.host, backup), timeout_s))
        try:
            return shelf.seen(answer, name, backup.folder)
        except Absent as error:
            raise MeasurementError(f"{error}: make it, for the login user alone") from error


class Deed:
    """The backup of one database that is to be made now."""

    def __init__(self, action: DeclaredBackups, name: str) -> None:
        self.action, self.name = action, name
        self.host, self.work = action.host, action.work
        self.backup: Backup = self.host.backups[name]
        self.shelf = action.shelf(name)
        self.source = source.source(self.work.ask(*source.questions(self.host, self.backup)))
        after = shelf.began(self.shelf.newest) + 1 if self.shelf.sets else 0.0
        self.set = shelf.called(name, max(self.shelf.now, after))

    @property
    def expected_bytes(self) -> int:
        """The size of the last backup, else that of the database."""
        return self.shelf.size(self.shelf.newest) if self.shelf.sets else self.source.size_bytes

    @property
    def outlook(self) -> str:
        """What of, with what, where to, how large and how much room there is."""
        size, whole = show(self.expected_bytes, "bytes"), show(self.source.size_bytes, "bytes")
        return (
            f"of {self.backup.database} ({whole}) with {self.source.version} in {self.backup.folder}: "
            f"about {size}, {show(self.shelf.free_bytes, 'bytes')} are free"
        )

    @property
    def leftovers(self) -> str:
        """Files of backups that did not come to their end."""
        return ", ".join(each.name for each in self.shelf.leftovers)

    @property
    def expendable(self) -> list[str]:
        """The backups that need not be kept once the new one is there."""
        return expendable([*self.shelf.sets, self.set], self.backup, self.shelf.now)

    def guard(self) -> None:
        """Says no to a dump that would not come to its end.

        Raises:
            Refused: the role, the client or the room on the disk is not enough.
        """
        self.source.require_everything(self.backup)
        needed = MARGIN * self.expected_bytes
        if self.shelf.free_bytes < needed:
            free, room = show(self.shelf.free_bytes, "bytes"), show(needed, "bytes")
            raise Refused(f"{self.backup.folder} has {free} left, and {room} are needed")

    def sweep(self) -> None:
        """Removes what is left of interrupted backups."""
        self._remove([each.name for each in self.shelf.leftovers])

    def _remove(self, files: list[str]) -> None:
        paths = [f"{self.backup.folder}/{each}" for each in files]
        self.work.do(argv("rm", "-f", "--", *paths, timeout_s=300), "rm")

    def dump(self) -> None:
        """Makes it, and reads it back.

        Raises:
            StepFailed: there is no new backup, or it is not what it should be.
        """
        command = source.dumping(self.host, self.backup, self.set, self.source)
        quiet = self.action.options.json
        with progress.telling("dumped", self.expected_bytes, self.work.say, quiet=quiet) as tell:
            progress.watched(lambda: self._do(command), self._written, tell)
        self._require_sound(self.set)
        self.action.measured |= {"backup": self.name, "set": self.set}

    def _do(self, command: Any) -> None:
        self.work.do(command, "the dump")

    def _written(self) -> float:
        paths = [f"{self.backup.folder}/{self.set}.{suffix}.partial" for suffix in ("dump", "dump.zst")]
        (answer,) = self.work.ask(argv("stat", "-c", "%s", "--", *paths))
        return float(sum(map(int, answer.stdout.split())))

    def reading(self, set_name: str) -> Reading:
        """A set, read back from the disk.

        Raises:
            MeasurementError: it cannot be.
        """
        found = self.action.shelf(self.name, set_name, self.backup.timeout).reading
        return found or Reading(set_name)

    def _require_sound(self, set_name: str) -> None:
        """Raises a StepFailed unless a set is what its manifest says, and lists every table."""
        try:
            reading = self.reading(set_name)
            flaws = reading.flaws() or [f"{each} is not in it" for each in reading.lacks(*self.backup.tables)]
        except OpsproofError as error:
            raise StepFailed(f"{set_name} cannot be read back: {error}") from error
        if flaws:
            raise StepFailed(f"{set_name}: {'; '.join(flaws[:3])}")

    def copy(self, target: str) -> None:
        """Copies the new set to a target, and reads the copy back."""
        offsite.copy(self.host, self.backup, self.reading(self.set), target)

    def prune(self) -> None:
        """Lets go what need not be kept, once as many as must be kept are proven to be sound.

        The manifest goes first: what is left of a set that goes halfway is no backup.
        """
        staying = sorted({*self.shelf.sets, self.set} - {*self.expendable})
        for each in staying[-self.backup.keep_least :]:
            self._require_sound(each)
        files = [each.name for name in self.expendable for each in self.shelf.files(name)]
        self._remove(sorted(files, key=lambda name: not name.endswith(".manifest.json")))

    def prove(self) -> None:
        """Shows that the new backup is there, that nothing is left over, and that what should go is gone.

        Raises:
            NotRepaired: it is not so.
        """
        now = self.action.shelf(self.name)
        wrong = [each.name for each in now.leftovers] + [each for each in self.expendable if each in now.sets]
        if self.set not in now.sets:
            raise NotRepaired(f"{self.set} is not there")
        if wrong:
            raise NotRepaired(f"still there: {', '.join(wrong)}")
        for target in self.backup.off_site:
            if lacking := offsite.lacking(self.host, target, self.set):
                raise NotRepaired(f"{target}: {lacking}")
