"""Copies of backups elsewhere: in a folder of the host, over ssh, in a bucket.

A copy goes through the machine that runs opsproof, a part at a time, unless it stays on the host: so the host needs
no key to its own copies, and whoever breaks into it cannot take them away. Each file is read back where it lies. The
last one is `SET.sha256`, in the form of sha256sum, whose presence is what makes a copy.
"""

import hashlib
import io
import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol
from urllib.parse import urlsplit

from opsproof.backup_store.dump_folder import in_order, is_dated
from opsproof.backup_store.folder import TRANSFER_TIMEOUT_S, HostFolder
from opsproof.backup_store.s3 import Bucket
from opsproof.core.errors import MeasurementError
from opsproof.inventory.hosts import Host

READ_BACK_TIMEOUT_S = 120.0
STALE_S = 86400.0
"""What is of no whole copy and has not been written for so long is left over: no copy is at work on it."""
ENCRYPTED = ".age"
LIST = ".sha256"
_FILE = r"_\d{8}T\d{6}Z\.((dump|dump\.zst|globals\.sql|manifest\.json)(\.age)?|sha256)(\.partial)?"


class CopyStore(Protocol):
    """Where copies lie."""

    def put(self, name: str, content: BinaryIO, size_bytes: int) -> str:
        """Writes `content`, of about `size_bytes`, to be called `name`; the checksum of what was read back."""

    def commit(self, name: str) -> None:
        """Gives it its name."""

    def read(self, name: str) -> AbstractContextManager[BinaryIO]:
        """What lies there under a name, as it is read."""

    def ages(self, prefix: str) -> dict[str, float]:
        """The seconds since each file of such a name was written; NAME.partial is one that is not complete."""

    def remove(self, names: Sequence[str]) -> None:
        """Removes files, a list or a manifest before what it vouches for."""

    def lacking(self, set_name: str, timeout_s: float) -> str:
        """What is missing of a set; empty where nothing is."""


def copy_store(host: Host, target: str, timeout_s: float = TRANSFER_TIMEOUT_S) -> CopyStore:
    """Where a target of off_site is."""
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
    """The copies of one declared backup that lie in a place: the seconds since each of their files was written."""

    ages: dict[str, float]
    now: float

    @property
    def sets(self) -> list[str]:
        """The whole ones, oldest first: what has a list."""
        names = (each.removesuffix(LIST) for each in self.ages if each.endswith(LIST))
        return in_order((each for each in names if is_dated(each)), self.now)

    @property
    def stale(self) -> list[str]:
        """Files of copies that did not come to their end, or went halfway, and that nobody is at work on."""
        whole = set(self.sets)
        left = [each for each in self.ages if each.endswith(".partial") or each.partition(".")[0] not in whole]
        return sorted(each for each in left if self.ages[each] > STALE_S)

    def files(self, sets: Sequence[str]) -> list[str]:
        """The files of these sets."""
        return [each for each in self.ages if each.partition(".")[0] in sets]


def fetch_copies(there: CopyStore, name: str, now: float) -> Copies:
    """The copies of the declared backup called `name`, at `now` of the clock that its sets are called after.

    Raises:
        MeasurementError: they cannot be told.
    """
    ours = re.compile(re.escape(name) + _FILE)
    return Copies({each: age for each, age in there.ages(f"{name}_").items() if ours.fullmatch(each)}, now)


@dataclass
class HashingReader(io.RawIOBase):
    """What is read, with the checksum of it so far; `told` is told how many bytes that is."""

    content: BinaryIO
    told: Callable[[float], None] = lambda _: None
    sum: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    done: int = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def read(self, size: int = -1) -> bytes:
        """The next bytes, `size` at most."""
        part = self.content.read(size)
        self.sum.update(part)
        self.done += len(part)
        self.told(self.done)
        return part


def require_same(found: str, wanted: str, name: str) -> None:
    """Raises a MeasurementError unless what was read of `name` has the checksum that it should have."""
    if found != wanted:
        raise MeasurementError(f"{name} is another one than what was read: {found[:12]}… for {wanted[:12]}…")


def lacking(host: Host, target: str, set_name: str) -> str:
    """What a target lacks of a set, in a sentence; empty where its copy is whole.

    Raises:
        MeasurementError: it cannot be told.
    """
    return copy_store(host, target).lacking(set_name, READ_BACK_TIMEOUT_S)
