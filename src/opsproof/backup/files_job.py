"""A declared backup of files: archive the declared paths with tar."""

from collections.abc import Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from opsproof.action import progress
from opsproof.backup.declared import DeclaredBackups
from opsproof.backup.set_job import SetJob
from opsproof.backup_store import file_tree, files_manifest
from opsproof.backup_store.dump_folder import DumpReading
from opsproof.backup_store.manifest import ManifestError
from opsproof.core import scripts
from opsproof.core.errors import MeasurementError, NotRepaired, OutputError, Refused, StepFailed
from opsproof.core.units import show
from opsproof.transport.shell import Command, argv

SHOWN = 3
"""Most missing files that a message names."""


class FilesJob(SetJob):
    """A new archive of declared paths."""

    def __init__(self, action: DeclaredBackups, name: str) -> None:
        super().__init__(action, name)
        (answer,) = self.work.ask(file_tree.summary_command(self.host, self.backup))
        self.tree = file_tree.parse(answer)

    @property
    def expected_bytes(self) -> int:
        """Size of the files; compression is not foreseen."""
        return self.tree.size_bytes

    @property
    def outlook(self) -> str:
        """Number and size of the files, folder, free space, and what cannot be backed up, for the plan."""
        size, free = show(self.tree.size_bytes, "bytes"), show(self.folder.free_bytes, "bytes")
        without = "; ".join([*self.tree.lacking[:SHOWN], *self.tree.skipped[:SHOWN]])
        title = f"of {self.tree.files} files ({size}) with tar in {self.backup.folder} ({free} free)"
        return f"{title}{f', without {without}' if without else ''}"

    def guard(self) -> None:
        """Refuses an empty backup, a backup open to other users, and a backup of the backup folder.

        Raises:
            Refused: no declared path can be read, the folder is among the paths, or as for `SetJob.guard`.
        """
        if not self.tree.files and self.tree.lacking:
            raise Refused(f"there is nothing to back up: {'; '.join(self.tree.lacking[:SHOWN])}")
        self._require_elsewhere()
        super().guard()

    def _require_elsewhere(self) -> None:
        """Refuses a backup that contains its own folder, and would grow from day to day."""
        (answer,) = self.work.ask(argv("realpath", "-m", "--", self.backup.folder, *self.backup.paths))
        folder, *paths = map(PurePosixPath, answer.require("realpath").stdout.splitlines())
        within = [each for each in (folder, *folder.parents) if any(each.is_relative_to(path) for path in paths)]
        if within and not any(fnmatchcase(str(each), pattern) for each in within for pattern in self.backup.exclude):
            raise Refused(f"the backup folder {folder} is among the files to back up: exclude it, or move it")

    def missing(self, reading: DumpReading) -> list[str]:
        """Nothing: archive and list are compared with the manifest, which names the missing files."""
        files_manifest.read(reading.text)
        return []

    def make(self) -> None:
        """Archives the paths, and reads the new set back.

        Raises:
            StepFailed: the archive could not be made, or the new set is damaged.
        """
        total = float(self.tree.size_bytes)
        with progress.reporting_bytes("archived", total, self.work.say, quiet=self.quiet) as report:
            progress.watch(lambda: self._do(self._command()), self._written, report)
        self.made = self.require_sound(self.set)
        self.action.measured |= {"backup": self.name, "set": self.set}
        for each in files_manifest.read(self.made.text).skipped[:SHOWN]:
            self.work.say(f"  not backed up: {each}")

    def _do(self, command: Command) -> None:
        self.work.do(command, "the archive")

    def _command(self) -> Command:
        program = scripts.perl("backup_store/octal", "backup/set", "backup/archive")
        paths, left_out = self.backup.paths, self.backup.exclude
        scope = (file_tree.reader(), str(len(paths)), str(len(left_out)), *paths, *left_out)
        words = ("perl", "-e", program, "--", self.backup.folder, self.set, *scope)
        return argv(*words, *file_tree.borrowed(self.host, self.backup), timeout_s=self.backup.timeout)

    def _written(self) -> float:
        (answer,) = self.work.ask(argv("stat", "-c", "%s", "--", f"{self.backup.folder}/{self.set}.tar.zst.partial"))
        if answer.status:
            raise OutputError(f"no file of {self.set} exists yet")
        return float(answer.stdout)

    def require_replaced(self, due: Sequence[str], staying: Sequence[str]) -> None:
        """Requires every declared path of the sets `due` in the sets `staying`.

        Raises:
            StepFailed: an expired set is the last with a declared path.
        """
        kept = {path for paths in self._held(staying).values() for path in paths}
        last = [(name, path) for name, paths in self._held(due).items() for path in paths if path not in kept]
        for name, path in last[-1:]:
            hint = "bring the file back, or remove it from paths"
            raise StepFailed(f"{name} is the last backup with {files_manifest.escaped(path)}: not pruned: {hint}")

    def _held(self, sets: Sequence[str]) -> dict[str, list[str]]:
        """The declared paths that each set holds; no path for an unreadable manifest."""
        found: dict[str, list[str]] = {}
        if not sets:
            return found
        answers = self.work.ask(*(argv("cat", "--", f"{self.backup.folder}/{each}.manifest.json") for each in sets))
        for name, answer in zip(sets, answers, strict=True):
            with suppress(ManifestError):
                manifest = files_manifest.read(answer.stdout)
                found[name] = [each for each in self.backup.paths if manifest.holds(each)]
        return found

    def require_complete(self) -> None:
        """Requires every declared file in the new set, unchanged while tar read the file.

        Raises:
            NotRepaired: files are missing, or changed in each of three tries.
            MeasurementError: no new set was read.
        """
        if not self.made.text:
            raise MeasurementError(f"{self.set} was not read back")
        lacking = files_manifest.read(self.made.text).lacks(self.backup.paths)
        if lacking:
            more = f" and {len(lacking) - SHOWN} more" if len(lacking) > SHOWN else ""
            raise NotRepaired(f"{self.set} was made, but is incomplete: {'; '.join(lacking[:SHOWN])}{more}")
