"""A copy of a backup set in a folder of the controller, checked there.

The copy has the form of an off-site copy: complete once `SET.sha256` exists. A killed run leaves marked files, removed
by the next download.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property
from pathlib import Path

from opsproof.action import Step, progress, room
from opsproof.backup.copying import CopyJob
from opsproof.backup.declared import DeclaredBackups
from opsproof.backup_store import dump_folder, off_site
from opsproof.backup_store.dump_folder import DumpFolder, DumpReading
from opsproof.backup_store.folder import MARK, HostFolder
from opsproof.backup_store.manifest import ManifestError
from opsproof.backup_store.off_site import Copies
from opsproof.core.errors import (
    Absent,
    InventoryError,
    MeasurementError,
    NotRepaired,
    OpsproofError,
    Refused,
    StepFailed,
)
from opsproof.core.units import show
from opsproof.inventory.backups import Backup
from opsproof.transport import shell
from opsproof.transport.shell import CONTROLLER

LOCK = ".opsproof-download"
"""The file in the folder locked by a running download; two hosts may have backups of the same name."""


class Download:
    """The newest set of a declared backup, or the set given by --set, for the folder given by --download."""

    def __init__(self, action: DeclaredBackups, name: str) -> None:
        self.action, self.name = action, name
        self.host, self.work = action.host, action.work
        self.backup: Backup = self.host.backups[name]
        if self.backup.engine == "pgbackrest":
            raise InventoryError(
                f"--download: {name} has engine {self.backup.engine}: name a dump with --backup; "
                "a cluster is copied by pgBackRest to a second repository"
            )
        self.path: Path = action.options.download.expanduser().absolute()
        self.folder = HostFolder(CONTROLLER, str(self.path), self.backup.timeout)
        self.source = action.read_dump_folder(name, action.options.set or "newest", self.backup.timeout)
        self.set = self._chosen(self.source)
        self.reading = self.source.reading or DumpReading(self.set)
        self.copies = self._fetch_copies()

    def _chosen(self, source: DumpFolder) -> str:
        try:
            wanted: str = self.action.options.set or source.newest
        except Absent as error:
            raise MeasurementError(str(error)) from error
        if wanted not in source.sets:
            raise InventoryError(
                f"--set: unknown set {wanted!r}; choose {' or '.join(source.sets) or 'another backup'}"
            )
        return wanted

    def _fetch_copies(self) -> Copies:
        try:
            if not self.path.is_dir():
                return Copies({}, self.source.now)
        except OSError as error:
            raise InventoryError(f"--download: {self.path}: {error.strerror}") from error
        return off_site.fetch_copies(self.folder, self.name, self.source.now)

    @cached_property
    def _problem(self) -> str:
        """Why the folder has no good copy of the set; empty if the copy is there."""
        if self.set not in self.copies.sets:
            return "no copy yet"
        if self.backup.age_recipient:
            return "an encrypted copy cannot be compared"
        if problems := self.folder.lacking(self.set, self.backup.timeout):
            return problems
        try:
            text = (self.path / f"{self.set}.manifest.json").read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            return f"a copy whose manifest cannot be read: {error.strerror}"
        return "" if text == self.reading.text else "a copy of another host's backup"

    def steps(self) -> list[Step]:
        """The download; empty if the folder has an identical copy.

        Raises:
            MeasurementError: the folder cannot be read.
        """
        if not self._problem:
            return []
        size, free = show(self.source.size(self.set), "bytes"), show(self._free_bytes, "bytes")
        sealed = ", encrypted for age_recipient" if self.backup.age_recipient else ""
        title = f"download {self.set} ({size}) from {self.host.name} to {self.path}{sealed} ({free} free)"
        return [Step(title, self._download, (self.name,))]

    @property
    def _existing(self) -> Path:
        return self.path if self.path.exists() else self.path.parent

    @property
    def _free_bytes(self) -> int:
        try:
            found = os.statvfs(self._existing)
        except OSError as error:
            raise Refused(f"--download: {self._existing}: {error.strerror}") from error
        return found.f_bavail * found.f_frsize

    def guard(self) -> None:
        """Refuses a damaged set, and a folder that is unfit or has files in the way.

        Raises:
            Refused: the reason, and what to do.
        """
        self._require_sound()
        self._require_private_folder()
        here = HostFolder(CONTROLLER, str(self._existing))
        how = off_site.overlap(here.places(), HostFolder(self.host, self.backup.folder).places())
        if how and (how != "contains" or self.path.exists()):
            how = how if self.path.exists() else "is inside"
            raise Refused(f"--download: {self.path} {how} the backup folder {self.backup.folder}")
        if self.set in self.copies.sets:
            raise Refused(f"{self.path} has {self.set}: {self._problem}: remove it, or choose another folder")
        if there := [each for each in self.copies.files([self.set]) if each not in self._leftovers(self.copies)]:
            raise Refused(f"{self.path} has {there[0]}, which no download has made: choose another folder")
        room.require_room(str(self.path), self._free_bytes, room.MARGIN * self.source.size(self.set))

    def _require_sound(self) -> None:
        others = [each for each in self.source.sets if each != self.set]
        hint = f": choose an older set with --set, such as {others[-1]}" if others else ""
        try:
            flaws = self.reading.flaws() or (self._missing_tables() if self.backup.database else [])
        except (Absent, ManifestError) as error:
            flaws = [str(error)]
        if flaws:
            raise Refused(f"{self.set}: {'; '.join(flaws[:3])}{hint}")

    def _missing_tables(self) -> list[str]:
        return [f"table {each} is missing from the archive" for each in self.reading.lacks(*self.backup.tables)]

    def _require_private_folder(self) -> None:
        if not self._existing.is_dir():
            raise Refused(f"--download: {self._existing} is no folder: create it with mode 0700")
        if self.path.is_symlink():
            raise Refused(f"--download: {self.path} is a symbolic link: give the folder it leads to")
        if not self.path.exists():
            return
        status = self.path.stat()
        if status.st_uid not in (os.geteuid(), 0) or status.st_mode & 0o022:
            raise Refused(f"other users can change {self.path}: chown and chmod 0700 it, or choose another folder")

    def _download(self) -> None:
        size = self.reading.set_manifest.size_bytes
        with (
            self._locked(),
            progress.reporting_bytes("downloaded", size, self.work.say, quiet=self.action.options.json) as report,
        ):
            self._sweep()
            try:
                CopyJob(self.host, self.backup, self.reading, self.folder, report).make()
            except BaseException as error:
                with suppress(MeasurementError):
                    self._sweep()
                if isinstance(error, OpsproofError):
                    raise StepFailed(f"{self.set} cannot be downloaded to {self.path}: {error}") from error
                raise
        self.action.measured |= {"backup": self.name, "set": self.set, "folder": str(self.path), "size_bytes": size}

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Makes the folder, and locks it for the block.

        Raises:
            Refused: another download holds the lock.
            StepFailed: the folder cannot be made or written to.
        """
        with ExitStack() as stack:
            try:
                self.path.mkdir(mode=0o700, exist_ok=True)
                self._require_private_folder()
                file = stack.enter_context((self.path / LOCK).open("a"))
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise Refused(f"another download to {self.path} is running: wait until it ends") from error
            except OSError as error:
                raise StepFailed(f"--download: {self.path}: {error.strerror}") from error
            yield

    def _sweep(self) -> None:
        """Removes what killed downloads left; the lock excludes running ones."""
        if left := self._leftovers(self._fetch_copies()):
            self.folder.remove(left)

    @staticmethod
    def _leftovers(copies: Copies) -> list[str]:
        return sorted({*copies.unfinished, *(each for each in copies.ages if each.endswith(MARK))})

    def prove(self) -> None:
        """Reads the copy back: sizes, checksums, the manifest's own checksum, modes, and the list of tables.

        Raises:
            NotRepaired: the copy differs from the set of the host.
            MeasurementError: the copy cannot be read.
        """
        if problems := self._sealed_problems() if self.backup.age_recipient else self._plain_problems():
            raise NotRepaired(f"{self.set} in {self.path}: {'; '.join(problems[:3])}")

    def _sealed_problems(self) -> list[str]:
        problem = self.folder.lacking(self.set, self.backup.timeout)
        return [problem] if problem else []

    def _plain_problems(self) -> list[str]:
        here = self.backup.model_copy(update={"folder": str(self.path)})
        command = dump_folder.command(here, self.name, self.set, (), self.backup.timeout)
        found = dump_folder.parse(shell.run(CONTROLLER, (command,))[0], self.name, str(self.path))
        reading = found.reading or DumpReading(self.set)
        if reading.text != self.reading.text:
            return ["the manifest differs from the host's"]
        sizes = {each.name: each.size_bytes for each in found.files(self.set)}
        wrong = [each.name for each in reading.set_manifest.files.values() if sizes.get(each.name) != each.size_bytes]
        if reading.unlisted is not None:  # the host's pg_restore has listed the same bytes
            self.action.measured["not_listed"] = reading.unlisted
            self.work.say(f"     the list of tables was read on {self.host.name} alone: {reading.unlisted}")
        return [*reading.flaws(), *(f"{each}: size differs" for each in wrong), *found.exposed(self.set)]
