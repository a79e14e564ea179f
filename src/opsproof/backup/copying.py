"""Makes a copy of a backup in another place, and reads it back."""

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import BinaryIO, cast

from opsproof.action import progress
from opsproof.backup_store.dump_folder import DumpReading
from opsproof.backup_store.encryption import encrypted
from opsproof.backup_store.folder import HostFolder
from opsproof.backup_store.manifest import ManifestFile
from opsproof.backup_store.off_site import ENCRYPTED, LIST, CopyStore, HashingReader, require_same
from opsproof.inventory.hosts import Host
from opsproof.inventory.resources import Backup


@dataclass(frozen=True)
class CopyJob:
    """A copy of a set of a host that is to be made in a place; `report` is told how many bytes are done."""

    host: Host
    backup: Backup
    reading: DumpReading
    there: CopyStore
    report: progress.ProgressReport[float]

    def make(self) -> None:
        """Makes it, and reads it back.

        Raises:
            MeasurementError: there is no copy, or it is another one than what was to be copied.
        """
        manifest, name = self.reading.manifest, self.reading.name
        text = self.reading.text.encode()
        own = ManifestFile(f"{name}.manifest.json", len(text), hashlib.sha256(text).hexdigest())
        lines: list[str] = []
        done = 0
        for file in (*manifest.files.values(), own):
            lines.append(self._copied(file, done))
            done += file.size_bytes
        self._put_list(f"{name}{LIST}", "".join(lines).encode())

    def _put_list(self, name: str, content: bytes) -> None:
        found = self.there.put(name, io.BytesIO(content), len(content))
        require_same(found, hashlib.sha256(content).hexdigest(), name)
        self.there.commit(name)

    def _copied(self, file: ManifestFile, before: int) -> str:
        """Copies one file, after `before` bytes of others; its line in the list of the copy."""
        here, name = HostFolder(self.host, self.backup.folder, self.backup.timeout), file.name
        if isinstance(self.there, HostFolder) and self.there.host is self.host and not self.backup.age_recipient:
            require_same(self._put_own(self.there, f"{here.path}/{name}", name, before), file.sha256, name)
            self.there.commit(name)
            return f"{file.sha256}  {name}\n"
        copied = f"{name}{ENCRYPTED}" if self.backup.age_recipient else name
        with here.read(name) as content:
            plain = HashingReader(content, lambda done: self.report(before + done))
            with _sealed(plain, self.backup.age_recipient) as sealed:
                sent = HashingReader(sealed)
                found = self.there.put(copied, cast("BinaryIO", sent), file.size_bytes)
        require_same(plain.sum.hexdigest(), file.sha256, name)
        require_same(found, sent.sum.hexdigest(), copied)
        self.there.commit(copied)
        return f"{found}  {copied}\n"

    def _put_own(self, there: HostFolder, path: str, name: str, before: int) -> str:
        found: list[str] = []
        progress.watch(
            lambda: found.append(there.put_own(name, path)),
            lambda: before + there.size(f"{name}.partial"),
            self.report,
        )
        return found[0]


@contextmanager
def _sealed(plain: HashingReader, recipient: str) -> Iterator[BinaryIO]:
    content = cast("BinaryIO", plain)
    with encrypted(content, recipient) if recipient else nullcontext(content) as sealed:
        yield sealed
