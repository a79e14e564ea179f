"""Copies a backup set to a store of off-site copies, and compares checksums."""

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import BinaryIO, cast

from opsproof.action import progress
from opsproof.backup_store.dump_folder import DumpReading
from opsproof.backup_store.encryption import encrypted
from opsproof.backup_store.folder import MARK, HostFolder
from opsproof.backup_store.manifest import ManifestFile
from opsproof.backup_store.off_site import ENCRYPTED, LIST, CopyStore, HashingReader, require_same
from opsproof.core.errors import MeasurementError
from opsproof.inventory.backups import Backup
from opsproof.inventory.hosts import Host


@dataclass(frozen=True)
class CopyJob:
    """Copies one set from a host to a store; `report` is called with the number of bytes copied so far."""

    host: Host
    backup: Backup
    reading: DumpReading
    store: CopyStore
    report: progress.ProgressReport[float]

    def make(self) -> None:
        """Marks the copy as begun, copies all files, then writes the checksum list that completes the copy.

        Raises:
            MeasurementError: copying failed, or a checksum does not match.
        """
        manifest, name = self.reading.set_manifest, self.reading.name
        text = self.reading.text.encode()
        own = ManifestFile(f"{name}.manifest.json", len(text), hashlib.sha256(text).hexdigest())
        mark(self.store, name)
        lines: list[str] = []
        done = 0
        for file in (*manifest.files.values(), own):
            lines.append(self._copied(file, done))
            done += file.size_bytes
        _put_small(self.store, f"{name}{LIST}", "".join(lines).encode())
        with suppress(MeasurementError):  # the mark of a complete copy is harmless; credentials may forbid removal
            self.store.remove([f"{name}{MARK}"])

    def _copied(self, file: ManifestFile, before: int) -> str:
        """Copies one file, after `before` bytes of earlier files; returns the line for the checksum list."""
        source, name = HostFolder(self.host, self.backup.folder, self.backup.timeout), file.name
        if isinstance(self.store, HostFolder) and self.store.host is self.host and not self.backup.age_recipient:
            require_same(self._put_own(self.store, f"{source.path}/{name}", name, before), file.sha256, name)
            self.store.commit(name)
            return f"{file.sha256}  {name}\n"
        copied = f"{name}{ENCRYPTED}" if self.backup.age_recipient else name
        with source.read(name) as content:
            plain = HashingReader(content, lambda done: self.report(before + done))
            with _sealed(plain, self.backup.age_recipient) as sealed:
                sent = HashingReader(sealed)
                found = self.store.put(copied, cast("BinaryIO", sent), file.size_bytes)
        require_same(plain.sum.hexdigest(), file.sha256, name)
        require_same(found, sent.sum.hexdigest(), copied)
        self.store.commit(copied)
        return f"{found}  {copied}\n"

    def _put_own(self, folder: HostFolder, path: str, name: str, before: int) -> str:
        found: list[str] = []
        progress.watch(
            lambda: found.append(folder.put_own(name, path)),
            lambda: before + folder.size(f"{name}.partial"),
            self.report,
        )
        return found[0]


def mark(store: CopyStore, set_name: str) -> None:
    """Marks the files of a set as a copy that is begun, or that is about to be removed.

    Raises:
        MeasurementError: the mark cannot be written.
    """
    _put_small(store, f"{set_name}{MARK}", b"")


def _put_small(store: CopyStore, name: str, content: bytes) -> None:
    found = store.put(name, io.BytesIO(content), len(content))
    require_same(found, hashlib.sha256(content).hexdigest(), name)
    store.commit(name)


@contextmanager
def _sealed(plain: HashingReader, recipient: str) -> Iterator[BinaryIO]:
    content = cast("BinaryIO", plain)
    with encrypted(content, recipient) if recipient else nullcontext(content) as sealed:
        yield sealed
