"""A copy that lies elsewhere, and is fetched to its host before it is restored.

It is put into the backup's own folder as a file that did not come to its end: never a backup, and removed with what
is left of interrupted ones. pg_restore reads nothing of it before its checksum was compared with that in the copy's
list, and what was decrypted with that in the manifest.
"""

import hashlib
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, cast

from opsproof.action import Work, progress
from opsproof.backup_store import manifest, off_site
from opsproof.backup_store.dump_folder import began
from opsproof.backup_store.encryption import decrypted, identities
from opsproof.backup_store.folder import HostFolder
from opsproof.backup_store.manifest import Manifest, ManifestError
from opsproof.backup_store.off_site import ENCRYPTED, LIST, Copies, HashingReader, require_same
from opsproof.core.errors import InventoryError, MeasurementError, OutputError, Refused, StepFailed
from opsproof.inventory.resources import Backup
from opsproof.restore.archive import DumpArchive
from opsproof.transport.shell import argv

SMALL_BYTES = 4 * 2**20
"""A list or a manifest that is larger is none."""
_LINE = re.compile(r"([0-9a-f]{64}) [ *](\S+)")


class Fetch:
    """The copies of one declared backup in a place, `now` by the clock of its host; `identity` opens encrypted ones."""

    def __init__(self, work: Work, backup: Backup, address: str, copies: Copies, identity: Path | None) -> None:
        self.work, self.backup, self.address, self.copies = work, backup, address, copies
        self._there = off_site.copy_store(work.host, address, backup.timeout)
        self._here = HostFolder(work.host, backup.folder, backup.timeout)
        self._identity = identity
        self._sums: dict[str, str] = {}

    def archive(self, name: str) -> DumpArchive:
        """The archive of the copy called `name`, as it will lie on the host.

        Raises:
            InventoryError: it is encrypted, and no secret key was named.
            Refused: it cannot be believed.
            MeasurementError: it cannot be read.
        """
        self._sums = self._listed(name)
        self.said = self._manifest(name)
        path = f"{self.backup.folder}/{self.said.dump.name}.partial"
        return DumpArchive(name, path, self.said.dump.size_bytes, self.copies.now - began(name), self.said)

    def _listed(self, name: str) -> dict[str, str]:
        """The checksums of a copy's files, by what they are called there."""
        lines = [_LINE.fullmatch(line) for line in self._small(f"{name}{LIST}").decode(errors="replace").splitlines()]
        return {found[2]: found[1] for found in lines if found}

    def _manifest(self, name: str) -> Manifest:
        called = self._called(f"{name}.manifest.json")
        content = self._small(called)
        if hashlib.sha256(content).hexdigest() != self._sums[called]:
            raise Refused(f"{called} is not what it was when it was copied: its checksum is another one")
        try:
            with self._opened(called, io.BytesIO(content)) as plain:
                text = plain.read().decode(errors="replace")
            said = manifest.read(text)
        except ManifestError as error:
            raise Refused(f"{name}: {error}") from error
        except MeasurementError as error:
            raise MeasurementError(f"{called}: {error}") from error
        if said.name != name or said.dump.name not in (f"{name}.dump", f"{name}.dump.zst"):
            raise Refused(f"{name}: the manifest is that of {said.name}")
        if said.globals.name != f"{name}.globals.sql":
            raise Refused(f"{name}: the manifest's roles are {said.globals.name}")
        for file in (said.dump, said.globals):
            self._called(file.name)
        return said

    def _called(self, name: str) -> str:
        """What a file is called there."""
        found = [each for each in (name, f"{name}{ENCRYPTED}") if each in self._sums]
        if not found:
            raise Refused(f"{name} is not in the list of the copy in {self.address}")
        return found[0]

    def _small(self, name: str) -> bytes:
        with self._there.read(name) as content:
            text = content.read(SMALL_BYTES + 1)
            if len(text) > SMALL_BYTES:
                raise OutputError(f"{name} in {self.address} is too large")
            return text

    @cached_property
    def _keys(self) -> list[Any]:
        if self._identity is None:
            raise InventoryError(f"the copy in {self.address} is encrypted: --identity names the file with the key")
        return identities(self._identity)

    @contextmanager
    def _opened(self, called: str, content: BinaryIO) -> Iterator[BinaryIO]:
        with decrypted(content, self._keys) if called.endswith(ENCRYPTED) else nullcontext(content) as plain:
            yield plain

    def bring(self, *, quiet: bool) -> None:
        """Puts it on the host, and compares it.

        Raises:
            StepFailed: it is not there, or is another one than what was backed up.
        """
        size = self.said.dump.size_bytes
        try:
            with progress.reporting_bytes("fetched", size, self.work.say, quiet=quiet) as report:
                self._bring(report)
        except BaseException as error:
            self.remove()
            if isinstance(error, MeasurementError):
                raise StepFailed(f"{self.said.name} cannot be fetched from {self.address}: {error}") from error
            raise

    def _bring(self, report: progress.ProgressReport[float]) -> None:
        for file in (self.said.dump, self.said.globals):
            called = self._called(file.name)
            with self._there.read(called) as content:
                read = HashingReader(content, report)
                with self._opened(called, cast("BinaryIO", read)) as plain:
                    found = self._here.put(file.name, plain)
            require_same(read.sum.hexdigest(), self._sums[called], called)
            require_same(found, file.sha256, file.name)

    def remove(self) -> None:
        """Removes it from the host; where that does not work, it goes with the next backup."""
        paths = [f"{self.backup.folder}/{file.name}.partial" for file in (self.said.dump, self.said.globals)]
        with suppress(MeasurementError):
            self.work.ask(argv("rm", "-f", "--", *paths))
