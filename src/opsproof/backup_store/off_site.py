"""Off-site copies of backups: in a folder of the host, in a folder over ssh, or in an S3 bucket.

A copy streams through the machine that runs opsproof, unless the copy stays on the host. So the host needs no
credentials for its own copies, and an intruder on the host cannot delete them. Each file is read back at the target.
The first file is `SET.copying`, the mark of a begun copy; only marked or partial files can be leftovers. The last file
is `SET.sha256`, in the format of sha256sum; a copy counts as complete once `SET.sha256` exists.
"""

import hashlib
import io
import re
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol
from urllib.parse import urlsplit

from opsproof.backup_store.dump_folder import PARTS, in_order, is_dated
from opsproof.backup_store.folder import MARK, TRANSFER_TIMEOUT_S, HostFolder
from opsproof.backup_store.s3 import Bucket
from opsproof.core.errors import MeasurementError
from opsproof.inventory.backups import Backup
from opsproof.inventory.hosts import Host

READ_BACK_TIMEOUT_S = 120.0
STALE_S = 86400.0
"""A file of an incomplete copy, not written to for this long, is stale: no running copy owns the file."""
ENCRYPTED = ".age"
LIST = ".sha256"
_FILE = rf"_\d{{8}}T\d{{6}}Z\.(({PARTS})(\.age)?|sha256|copying)(\.partial)?"


class CopyStore(Protocol):
    """A store of off-site copies."""

    def put(self, name: str, content: BinaryIO, size_bytes: int) -> str:
        """Writes `content`, of about `size_bytes`, for `name`; returns the SHA-256 of the data read back."""

    def commit(self, name: str) -> None:
        """Publishes a written file under its final name."""

    def read(self, name: str) -> AbstractContextManager[BinaryIO]:
        """The content of a file as a stream."""

    def places(self) -> list[str]:
        """The identity of the store, equal for all addresses that lead there, and of each folder above."""

    def size(self, name: str) -> int:
        """Size of a file in bytes."""

    def ages(self, prefix: str) -> dict[str, float]:
        """Seconds since the last write of each file whose name begins with `prefix`; NAME.partial is incomplete."""

    def remove(self, names: Sequence[str]) -> None:
        """Removes files, in the order of `removal_rank` in the module `folder`."""

    def lacking(self, set_name: str, timeout_s: float) -> str:
        """The first problems of the copy of a set; empty if the copy is complete."""

    def deleters(self, names: Sequence[str]) -> list[str]:
        """The users who can delete or overwrite the files `names`."""


def copy_store(host: Host, target: str, timeout_s: float = TRANSFER_TIMEOUT_S) -> CopyStore:
    """The store for a target of the inventory key `off_site`."""
    if "://" not in target:
        return HostFolder(host, target, timeout_s)
    parts = urlsplit(target)
    if parts.scheme == "s3":
        return Bucket(parts.netloc, parts.path)
    remote = f"ssh://{parts.netloc}{f'?{parts.query}' if parts.query else ''}"
    there = Host.model_validate({"transport": remote}).placed(parts.hostname or target, ())
    return HostFolder(there, parts.path, timeout_s)


@dataclass(frozen=True)
class Copies:
    """Copies of one declared backup in a store; `ages` are the seconds since the last write of each file."""

    ages: dict[str, float]
    now: float

    @property
    def sets(self) -> list[str]:
        """Names of the complete copies, with a checksum list, oldest first."""
        names = (each.removesuffix(LIST) for each in self.ages if each.endswith(LIST))
        return in_order((each for each in names if is_dated(each)), self.now)

    @property
    def unfinished(self) -> dict[str, float]:
        """Partial files, and files of incomplete sets with a mark, each with the age of the youngest of its set."""
        begun = {each.removesuffix(MARK) for each in self.ages if each.endswith(MARK)} - {*self.sets}
        youngest = {name: min(self.ages[each] for each in self.files([name])) for name in begun}
        partial = {each: age for each, age in self.ages.items() if each.endswith(".partial")}
        return partial | {each: youngest[name] for name in begun for each in self.files([name])}

    @property
    def stale(self) -> list[str]:
        """Files of interrupted copies that no running copy owns."""
        return sorted(each for each, age in self.unfinished.items() if age > STALE_S)

    def files(self, sets: Sequence[str]) -> list[str]:
        """The files of the given sets."""
        return [each for each in self.ages if each.partition(".")[0] in sets]


def fetch_copies(store: CopyStore, name: str, now: float) -> Copies:
    """The copies of the declared backup `name`; `now` is by the clock that dates the sets.

    Raises:
        MeasurementError: the store cannot be listed.
    """
    ours = re.compile(re.escape(name) + _FILE)
    return Copies({each: age for each, age in store.ages(f"{name}_").items() if ours.fullmatch(each)}, now)


@dataclass
class HashingReader(io.RawIOBase):
    """A stream with a running checksum; `report` is called with the number of bytes read so far."""

    content: BinaryIO
    report: Callable[[float], None] = lambda _: None
    sum: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    done: int = 0

    def readable(self) -> bool:
        """Always true."""
        return True

    def read(self, size: int = -1) -> bytes:
        """The next bytes, at most `size`."""
        part = self.content.read(size)
        self.sum.update(part)
        self.done += len(part)
        self.report(self.done)
        return part


def require_same(found: str, expected: str, name: str) -> None:
    """Raises a MeasurementError if the checksum of the file `name` differs from the expected checksum."""
    if found != expected:
        raise MeasurementError(f"{name}: checksum mismatch: {found[:12]}… (expected {expected[:12]}…)")


def overlap(places: list[str], others: list[str]) -> str:
    """How a store overlaps another, as a verb, by the results of `places`; empty if the stores are apart."""
    if places[0] == others[0]:
        return "is"
    if others[0] in places:
        return "is inside"
    return "contains" if places[0] in others else ""


def deleters(host: Host, name: str, target: str) -> list[str]:
    """The users who can delete or overwrite the newest copy of the declared backup `name` in a target.

    Raises:
        MeasurementError: the target cannot be read, or has no complete copy to judge by.
    """
    store = copy_store(host, target)
    copies = fetch_copies(store, name, time.time())
    return store.deleters(copies.files(copies.sets[-1:]))


def lacking(host: Host, backup: Backup, target: str, set_name: str) -> str:
    """The first problems of the copy of a set in a target; empty if the copy is complete and off the folder.

    Raises:
        MeasurementError: the target cannot be read.
    """
    store = copy_store(host, target)
    if backup.folder and (how := overlap(store.places(), HostFolder(host, backup.folder).places())):
        return f"the target {how} the backup folder"
    return store.lacking(set_name, READ_BACK_TIMEOUT_S)
