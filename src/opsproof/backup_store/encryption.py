"""Encryption with age, before a copy leaves and once it is back: the only module that knows pyrage.

https://age-encryption.org
"""

import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from opsproof.core.errors import InventoryError, MeasurementError

IDENTITY_BYTES = 2**16


@contextmanager
def encrypted(plain: BinaryIO, recipient: str) -> Iterator[BinaryIO]:
    """What `plain` holds, encrypted for the public key `recipient`, as it is read; a part of it in memory at a time.

    Raises:
        MeasurementError: pyrage is missing, the key is none, or `plain` cannot be read.
    """
    pyrage, keys = _pyrage(), [_recipient(recipient)]
    with _through(lambda writer: pyrage.encrypt_io(plain, writer, keys), "encrypted") as sealed:
        yield sealed


@contextmanager
def decrypted(sealed: BinaryIO, keys: list[Any]) -> Iterator[BinaryIO]:
    """What `sealed` holds, opened with one of `keys`, as it is read; a part of it in memory at a time.

    Raises:
        MeasurementError: none of the keys opens it, or it is damaged.
    """
    pyrage = _pyrage()
    with _through(lambda writer: pyrage.decrypt_io(sealed, writer, keys), "decrypted") as plain:
        yield plain


@contextmanager
def _through(work: Callable[[BinaryIO], None], what: str) -> Iterator[BinaryIO]:
    """What `work` writes; whoever reads it learns only at the end whether it is all."""
    receiving, sending = os.pipe()
    failed: list[BaseException] = []

    def write() -> None:
        try:
            with os.fdopen(sending, "wb") as writer:
                work(writer)
        except Exception as error:  # noqa: BLE001  # told to the reader, who would take what it got for all
            failed.append(error)

    worker = threading.Thread(target=write, daemon=True)
    with os.fdopen(receiving, "rb") as reader:
        worker.start()
        yield reader
    worker.join()
    if failed:
        raise MeasurementError(f"it cannot be {what}: {failed[0]}")


def _recipient(text: str) -> Any:
    try:
        return _pyrage().x25519.Recipient.from_str(text)
    except Exception as error:  # pyrage's own, which share no base with others
        raise MeasurementError(f"{text} is no public key of age: {error}") from error


def identities(path: Path) -> list[Any]:
    """The secret keys in the file at `path`, as age-keygen writes it; it must be for its owner alone.

    Raises:
        InventoryError: it is not there, others may read it, or it holds something else.
        MeasurementError: pyrage is missing.
    """
    pyrage = _pyrage()
    try:
        with path.open("rb") as file:
            status, text = os.fstat(file.fileno()), file.read(IDENTITY_BYTES)
    except OSError as error:
        raise InventoryError(f"--identity: {path} cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(status.st_mode) or status.st_uid not in (os.getuid(), 0) or status.st_mode & 0o077:
        raise InventoryError(f"--identity: {path} must belong to you, and be for you alone: chmod 600 {path}")
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    keys = [_identity(pyrage, path, *each) for each in lines if each[1] and not each[1].startswith(b"#")]
    if not keys:
        raise InventoryError(f"--identity: there is no key in {path}")
    return keys


def _identity(pyrage: Any, path: Path, number: int, line: bytes) -> Any:
    try:
        return pyrage.x25519.Identity.from_str(line.decode())
    except Exception:  # noqa: BLE001  # what went wrong may quote the line, and it may be a secret
        raise InventoryError(f"--identity: line {number} of {path} is no secret key of age") from None


def _pyrage() -> Any:
    try:
        import pyrage
    except ImportError as error:
        raise MeasurementError("pyrage is missing: pip install 'opsproof[offsite]'") from error
    return pyrage
