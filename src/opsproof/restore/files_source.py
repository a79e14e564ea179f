"""The backup of files to restore: which set, from where, and how it is unpacked on the host."""

import time
from dataclasses import dataclass
from pathlib import PurePosixPath

from opsproof.action import Step, Work
from opsproof.action.room import MARGIN, require_room
from opsproof.backup_store import dump_folder, file_tree, files_manifest, off_site
from opsproof.backup_store.files_manifest import FilesManifest
from opsproof.backup_store.off_site import Copies
from opsproof.core import scripts
from opsproof.core.errors import OutputError, Refused, StepFailed
from opsproof.core.units import show
from opsproof.restore import archive
from opsproof.restore.base import RestoreAction
from opsproof.restore.choice import local_sets, target_of
from opsproof.restore.fetch import Fetch
from opsproof.transport.shell import argv, labelled


@dataclass(frozen=True)
class Unpacked:
    """The result of unpacking: entries that differ from the list of contents, number and size of the files."""

    differing: tuple[str, ...]
    files: int
    size_bytes: int


class FilesSource:
    """The set that an action restores; `age_s` is by the host's clock."""

    def __init__(self, action: RestoreAction) -> None:
        self.action, self.host, self.work = action, action.host, action.work
        self.backup, self.options = action.backup, action.options
        self.fetch: Fetch | None = None
        self.manifest = self._choose()
        self.age_s = self.now - dump_folder.began(self.manifest.name)
        self.title = (
            f"{self.manifest.name} ({self.manifest.entries} entries, {show(self.manifest.content_bytes, 'bytes')}, "
            f"{show(self.age_s, 'seconds')} old)"
        )

    def _choose(self) -> FilesManifest:
        """The manifest of the chosen set.

        Raises:
            InventoryError: the set is unknown, or encrypted without --identity.
            Refused: no set exists, the manifest is damaged, or a file differs from it in size.
            MeasurementError: the folder or the manifest cannot be read.
        """
        backup_name, wanted = self.action.backup_name, self.options.target
        target = target_of(wanted, self.backup)
        local, self.now = local_sets(self.work, self.backup, backup_name, target)
        copies = Copies({}, self.now)
        if wanted:
            copies = off_site.fetch_copies(off_site.copy_store(self.host, target), backup_name, self.now)
        sets = dump_folder.in_order({*local, *copies.sets}, self.now)
        name = archive.choose(sets, self.options.set, backup_name, target)
        if name in local:
            self.folder, self.ending = target, ""
            return read_manifest(self.work, target, name)
        self.folder, self.ending = self.backup.folder, ".partial"
        self.fetch = Fetch(self.work, self.backup, target, copies, self.options.identity)
        found = self.fetch.begin(name)
        if not isinstance(found, FilesManifest):
            raise Refused(f"{name} is no backup of files")
        return found

    def fetching(self) -> list[Step]:
        """The step that fetches an off-site set to the host; empty for a local set."""
        if self.fetch is None:
            return []
        size = show(self.manifest.size_bytes, "bytes")
        return [Step(f"fetch {self.manifest.name} ({size}) from {self.options.target} to {self.folder}", self._fetch)]

    def _fetch(self) -> None:
        assert self.fetch is not None
        started = time.monotonic()
        self.fetch.run(quiet=self.options.json)
        self.action.measured |= {"from": self.options.target, "fetch_s": round(time.monotonic() - started, 2)}

    def forget(self) -> None:
        """Removes fetched files from the host."""
        if self.fetch is not None:
            self.fetch.remove()

    def require_room(self, folder: str) -> None:
        """Refuses to unpack the set on a disk without space for it.

        Raises:
            Refused: the disk of `folder` has too little free space.
        """
        there = (folder, *map(str, PurePosixPath(folder).parents))  # a lost folder is made anew
        answers = self.work.ask(*(argv("df", "--block-size=1", "--output=avail", "--", each) for each in there))
        found = next((each for each in answers if each.status == 0), answers[-1])
        free = float(found.require("df").stdout.split()[-1])
        fetched = self.manifest.size_bytes if self.fetch else 0
        require_room(folder, free, MARGIN * (self.manifest.content_bytes + fetched), " to unpack it")

    def unpack(self, folder: str, paths: tuple[str, ...] = (), user_words: tuple[str, ...] = ()) -> Unpacked:
        """Unpacks the set, or only `paths` of it, into a new folder, and compares with the list of contents.

        Raises:
            StepFailed: checksum mismatch, or the set cannot be unpacked.
        """
        files = [(f"{self.folder}/{each.name}{self.ending}", each) for each in self.manifest.files.values()]
        for path, file in files:
            archive.require_checksum(self.work, path, file.sha256, self.backup.timeout)
        words = (folder, *(path for path, _ in files), file_tree.reader(), str(len(paths)), *paths, "--", *user_words)
        program = ("perl", "-e", scripts.perl("backup_store/octal", "restore/unpack"), "--", *words)
        answer = self.work.do(argv(*program, timeout_s=self.backup.timeout), "unpacking")
        try:
            said = labelled(answer.stdout, "the comparison with the list of contents")
        except OutputError as error:
            raise StepFailed(str(error)) from error
        ((count, size),) = (line.split(" ") for line in said["unpacked"])
        return Unpacked(tuple(each.replace(" ", ": ", 1) for each in said.get("differs", [])), int(count), int(size))


def read_manifest(work: Work, folder: str, name: str) -> FilesManifest:
    """The manifest of the set `name` in a folder on the host, whose files are there with the sizes it says.

    Raises:
        Refused: the manifest is damaged, or a file is missing or has another size.
        MeasurementError: the manifest cannot be read.
    """
    found, sizes, _ = archive.read_set(work, folder, name, ("tar.zst", "contents"), files_manifest.read)
    for file in found.files.values():
        archive.require_size(file, sizes.get(file.name))
    return found
