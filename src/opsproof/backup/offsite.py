"""Copies of backups elsewhere: in a folder of the host, over ssh, in a bucket.

A copy goes through the machine that runs opsproof, a part at a time, unless it stays on the host: so the host needs
no key to its own copies, and whoever breaks into it cannot take them away. Each file is read back where it lies. The
last one is `SET.sha256`, in the form of sha256sum, whose presence is what makes a copy.
"""

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import BinaryIO, Protocol, cast
from urllib.parse import urlsplit

from opsproof import shell
from opsproof.backup.encryption import encrypted
from opsproof.backup.s3 import Bucket
from opsproof.backup.shelf import Reading
from opsproof.errors import MeasurementError, StepFailed
from opsproof.models import Host
from opsproof.nouns import Backup
from opsproof.shell import Command, argv

CHUNK_BYTES = 2**18
READ_BACK_TIMEOUT_S = 120.0


class Place(Protocol):
    """Where copies lie."""

    def put(self, name: str, content: BinaryIO) -> str:
        """Writes `content` under a name that it has not yet; the checksum of what was read back."""

    def commit(self, name: str) -> None:
        """Gives it its name."""

    def lacking(self, set_name: str) -> str:
        """What is missing of a set; empty where nothing is."""


@dataclass(frozen=True)
class Folder:
    """A folder of a host, which may be the one that the backup is of."""

    host: Host
    path: str

    def put(self, name: str, content: BinaryIO) -> str:
        """Writes `content`, of whatever length, and gives the checksum of what then lies there.

        Raises:
            MeasurementError: it cannot be written.
        """
        with shell.piped(self.host, self._place(name)) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                while part := content.read(CHUNK_BYTES):
                    process.stdin.write(part)
                process.stdin.close()
            except BrokenPipeError as error:
                raise MeasurementError(f"{self.host.name}: {self.path}/{name} cannot be written") from error
            said = process.stdout.read().decode(errors="replace").split()
        return _sum_said(said, f"{self.host.name}: {self.path}/{name} cannot be written")

    def put_own(self, name: str, source: str) -> str:
        """The same with a file of this host, which does not leave it."""
        script = 'exec "$@" <"$0"'
        command = argv("sh", "-c", script, source, *self._place(name).argv, timeout_s=self._place(name).timeout_s)
        said = shell.run(self.host, (command,))[0].require(f"the copy to {self.path}").stdout.split()
        return _sum_said(said, f"{self.path}/{name} cannot be written")

    def _place(self, name: str, *more: str) -> Command:
        return argv("perl", "-e", _place(), "--", self.path, name, *more, timeout_s=6 * 3600.0)

    def commit(self, name: str) -> None:
        """Gives it its name.

        Raises:
            MeasurementError: that did not work.
        """
        shell.run(self.host, (self._place(name, "name"),))[0].require(f"{self.path}/{name}")

    def lacking(self, set_name: str) -> str:
        """What is missing of a set, or not what it was; all of it is read.

        Raises:
            MeasurementError: it cannot be told.
        """
        words = ("env", "-C", self.path, "sha256sum", "--check", "--strict", "--quiet", f"{set_name}.sha256")
        answer = shell.run(self.host, (argv(*words, timeout_s=READ_BACK_TIMEOUT_S),))[0]
        if answer.require("sha256sum", 0, 1, 125).status == 0:
            return ""
        if f"{set_name}.sha256: No such file" in answer.stderr or "cannot change directory" in answer.stderr:
            return f"there is no whole copy of {set_name}"
        return "; ".join([*answer.stdout.splitlines()[:2], answer.stderr.strip().splitlines()[-1]])


def _sum_said(said: list[str], otherwise: str) -> str:
    if len(said) != 2:
        raise MeasurementError(otherwise)
    return said[0]


@cache
def _place() -> str:
    return Path(__file__).with_name("place.pl").read_text(encoding="utf-8")


@dataclass
class _Counted(io.RawIOBase):
    """What is read, with the checksum of it so far."""

    content: BinaryIO
    sum: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        part = self.content.read(size)
        self.sum.update(part)
        return part


def place(host: Host, target: str) -> Place:
    """Where a target of off_site is."""
    if "://" not in target:
        return Folder(host, target)
    parts = urlsplit(target)
    if parts.scheme == "s3":
        return Bucket(parts.netloc, parts.path)
    remote = f"ssh://{parts.netloc}{f'?{parts.query}' if parts.query else ''}"
    return Folder(Host.model_validate({"transport": remote}).placed(parts.hostname or target, ()), parts.path)


def copy(host: Host, backup: Backup, reading: Reading, target: str) -> None:
    """Copies a set to a target, and reads the copy back.

    Raises:
        StepFailed: there is no copy, or it is another one than what was to be copied.
    """
    there = place(host, target)
    try:
        sums = [*({file.name: file.sha256 for file in reading.manifest.files.values()}).items()]
        names = [*sums, (f"{reading.name}.manifest.json", hashlib.sha256(reading.text.encode()).hexdigest())]
        lines = [_copied(host, backup, there, name, sha256) for name, sha256 in names]
        listing = f"{reading.name}.sha256"
        _require_same(there.put(listing, io.BytesIO("".join(lines).encode())), _sum("".join(lines)), listing)
        there.commit(listing)
    except MeasurementError as error:
        raise StepFailed(f"no copy in {target}: {error}") from error


def _copied(host: Host, backup: Backup, there: Place, name: str, sha256: str) -> str:
    """Copies one file of which `sha256` is known; its line in the list of the copy."""
    source = f"{backup.folder}/{name}"
    if isinstance(there, Folder) and there.host is host and not backup.age_recipient:
        _require_same(there.put_own(name, source), sha256, name)
        there.commit(name)
        return f"{sha256}  {name}\n"
    copied = f"{name}.age" if backup.age_recipient else name
    with _read(host, source) as plain, _sealed(plain, backup.age_recipient) as content:
        sent = _Counted(content)
        found = there.put(copied, cast("BinaryIO", sent))
    _require_same(plain.sum.hexdigest(), sha256, name)
    _require_same(found, sent.sum.hexdigest(), copied)
    there.commit(copied)
    return f"{found}  {copied}\n"


@contextmanager
def _read(host: Host, path: str) -> Iterator[_Counted]:
    with shell.piped(host, argv("cat", "--", path)) as process:
        assert process.stdout is not None
        yield _Counted(cast("BinaryIO", process.stdout))


@contextmanager
def _sealed(plain: _Counted, recipient: str) -> Iterator[BinaryIO]:
    content = cast("BinaryIO", plain)
    with encrypted(content, recipient) if recipient else nullcontext(content) as sealed:
        yield sealed


def _require_same(found: str, wanted: str, name: str) -> None:
    if found != wanted:
        raise MeasurementError(f"{name} is another one than what was read: {found[:12]}… for {wanted[:12]}…")


def _sum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def lacking(host: Host, target: str, set_name: str) -> str:
    """What a target lacks of a set, in a sentence; empty where its copy is whole.

    Raises:
        MeasurementError: it cannot be told.
    """
    return place(host, target).lacking(set_name)
