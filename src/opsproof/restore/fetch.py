"""Fetches an off-site copy to the host before a restore.

Fetched files are partial files in the backup's folder: never taken for a backup, and removed by the next backup.
pg_restore reads them only after two comparisons: checksums as stored against the copy's list, and checksums after
decryption against the manifest.
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
from opsproof.backup_store import files_manifest, off_site
from opsproof.backup_store.dump_folder import began
from opsproof.backup_store.encryption import decrypted, identities
from opsproof.backup_store.folder import HostFolder
from opsproof.backup_store.manifest import Manifest, ManifestError, ManifestFile, SetManifest
from opsproof.backup_store.off_site import ENCRYPTED, LIST, Copies, HashingReader, require_same
from opsproof.core.errors import InventoryError, MeasurementError, OutputError, Refused, StepFailed
from opsproof.inventory.backups import Backup
from opsproof.restore.archive import DumpArchive, require_size
from opsproof.transport.shell import argv

SMALL_BYTES = 4 * 2**20
"""Largest accepted checksum list or manifest."""
_LINE = re.compile(r"([0-9a-f]{64}) [ *](\S+)")


class Fetch:
    """Fetches a copy of a declared backup from `address`; `identity` is the file with the age secret key."""

    def __init__(self, work: Work, backup: Backup, address: str, copies: Copies, identity: Path | None) -> None:
        self.work, self.backup, self.address, self.copies = work, backup, address, copies
        self._there = off_site.copy_store(work.host, address, backup.timeout)
        self._here = HostFolder(work.host, backup.folder, backup.timeout)
        self._identity = identity
        self._sums: dict[str, str] = {}

    def archive(self, name: str) -> DumpArchive:
        """The archive of the copy `name`, with the path after the fetch.

        Raises:
            InventoryError: the copy is encrypted, and --identity is missing.
            Refused: the manifest is damaged, or belongs to another backup.
            MeasurementError: the copy cannot be read.
        """
        found = self.begin(name)
        if not isinstance(found, Manifest):
            raise Refused(f"{name} is no backup of a database")
        path = f"{self.backup.folder}/{found.dump.name}.partial"
        return DumpArchive(name, path, found.dump.size_bytes, self.copies.now - began(name), found)

    def begin(self, name: str) -> SetManifest:
        """The manifest of the copy `name`, which `run` then fetches; raises as `archive` does."""
        self._sums = self._listed(name)
        self._set_manifest = self._manifest(name)
        return self._set_manifest

    def _listed(self, name: str) -> dict[str, str]:
        """The checksums of a copy's files, by file name in the copy."""
        text = self._read_small(f"{name}{LIST}").decode(errors="replace")
        lines = [_LINE.fullmatch(line) for line in text.splitlines()]
        return {found[2]: found[1] for found in lines if found}

    def _manifest(self, name: str) -> SetManifest:
        stored = self._stored_name(f"{name}.manifest.json")
        content = self._read_small(stored)
        if hashlib.sha256(content).hexdigest() != self._sums[stored]:
            raise Refused(f"{stored}: checksum mismatch, the file changed since the copy was made")
        try:
            with self._opened(stored, io.BytesIO(content)) as plain:
                text = plain.read().decode(errors="replace")
            found = files_manifest.read_any(text)
        except ManifestError as error:
            raise Refused(f"{name}: {error}") from error
        except MeasurementError as error:
            raise MeasurementError(f"{stored}: {error}") from error
        if found.name != name:
            raise Refused(f"{name}: the manifest belongs to {found.name}")
        for file in found.files.values():
            self._require_stored(file)
        return found

    def _require_stored(self, file: ManifestFile) -> None:
        """Refuses a file that the copy lacks, or that is stored unencrypted with another size than in the manifest."""
        stored = self._stored_name(file.name)
        size_bytes = self._there.size(stored) if stored in self.copies.ages else None
        require_size(file, file.size_bytes if size_bytes and stored.endswith(ENCRYPTED) else size_bytes)

    def _stored_name(self, name: str) -> str:
        """The name of a file in the copy, where encrypted files have a suffix."""
        found = [each for each in (name, f"{name}{ENCRYPTED}") if each in self._sums]
        if not found:
            raise Refused(f"{name} is not in the checksum list of the copy in {self.address}")
        return found[0]

    def _read_small(self, name: str) -> bytes:
        with self._there.read(name) as content:
            text = content.read(SMALL_BYTES + 1)
            if len(text) > SMALL_BYTES:
                raise OutputError(f"{name} in {self.address} is too large (limit {SMALL_BYTES} bytes)")
            return text

    @cached_property
    def _keys(self) -> list[Any]:
        if self._identity is None:
            raise InventoryError(f"the copy in {self.address} is encrypted: add --identity with the secret key")
        return identities(self._identity)

    @contextmanager
    def _opened(self, stored: str, content: BinaryIO) -> Iterator[BinaryIO]:
        with decrypted(content, self._keys) if stored.endswith(ENCRYPTED) else nullcontext(content) as plain:
            yield plain

    def run(self, *, quiet: bool) -> None:
        """Writes the files of the set to the host, and compares checksums.

        Raises:
            StepFailed: the copy cannot be read, or checksum mismatch; partial files are removed.
        """
        size = max(each.size_bytes for each in self._set_manifest.files.values())
        try:
            with progress.reporting_bytes("fetched", size, self.work.say, quiet=quiet) as report:
                self._fetch(report)
        except BaseException as error:
            self.remove()
            if isinstance(error, MeasurementError):
                raise StepFailed(f"{self._set_manifest.name} cannot be fetched from {self.address}: {error}") from error
            raise

    def _fetch(self, report: progress.ProgressReport[float]) -> None:
        for file in self._set_manifest.files.values():
            stored = self._stored_name(file.name)
            with self._there.read(stored) as content:
                read = HashingReader(content, report)
                with self._opened(stored, cast("BinaryIO", read)) as plain:
                    found = self._here.put(file.name, plain)
            require_same(read.sum.hexdigest(), self._sums[stored], stored)
            require_same(found, file.sha256, file.name)

    def remove(self) -> None:
        """Removes the partial files from the host; the next backup removes them if this fails."""
        files = self._set_manifest.files.values()
        paths = [f"{self.backup.folder}/{file.name}.partial" for file in files]
        with suppress(MeasurementError):
            self.work.ask(argv("rm", "-f", "--", *paths))
