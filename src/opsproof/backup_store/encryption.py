"""Encryption of off-site copies with age; no other module imports pyrage.

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
    """A stream of `plain` encrypted for the public key `recipient`; memory use does not grow with the content.

    Raises:
        MeasurementError: pyrage is not installed, the key is invalid, or reading `plain` failed.
    """
    pyrage, keys = _pyrage(), [_recipient(recipient)]
    with _through(lambda writer: pyrage.encrypt_io(plain, writer, keys), "encryption") as sealed:
        yield sealed


@contextmanager
def decrypted(sealed: BinaryIO, keys: list[Any]) -> Iterator[BinaryIO]:
    """A stream of `sealed` decrypted with one of `keys`; memory use does not grow with the content.

    Raises:
        MeasurementError: no key matches, or the content is damaged.
    """
    pyrage = _pyrage()
    with _through(lambda writer: pyrage.decrypt_io(sealed, writer, keys), "decryption") as plain:
        yield plain


@contextmanager
def _through(work: Callable[[BinaryIO], None], operation: str) -> Iterator[BinaryIO]:
    """A stream of the output of `work`, run in a thread; an error of `work` is raised at the end of the block."""
    receiving, sending = os.pipe()
    failed: list[BaseException] = []

    def write() -> None:
        try:
            with os.fdopen(sending, "wb") as writer:
                work(writer)
        except Exception as error:  # noqa: BLE001  # raised in the reader, which would mistake partial output for all of it
            failed.append(error)

    worker = threading.Thread(target=write, daemon=True)
    with os.fdopen(receiving, "rb") as reader:
        worker.start()
        yield reader
    worker.join()
    if failed:
        raise MeasurementError(f"{operation} failed: {failed[0]}")


def _recipient(text: str) -> Any:
    try:
        return _pyrage().x25519.Recipient.from_str(text)
    except Exception as error:  # pyrage's errors share no base class
        raise MeasurementError(f"{text} is not an age public key: {error}") from error


def identities(path: Path) -> list[Any]:
    """The secret keys of an age-keygen file; only the owner may have access to the file.

    Raises:
        InventoryError: the file is unreadable, accessible to other users, or holds no valid key.
        MeasurementError: pyrage is not installed.
    """
    pyrage = _pyrage()
    try:
        with path.open("rb") as file:
            status, text = os.fstat(file.fileno()), file.read(IDENTITY_BYTES)
    except OSError as error:
        raise InventoryError(f"--identity: {path} cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(status.st_mode) or status.st_uid not in (os.getuid(), 0) or status.st_mode & 0o077:
        raise InventoryError(f"--identity: {path} must be owned by you and accessible to you only: chmod 600 {path}")
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    keys = [_identity(pyrage, path, *each) for each in lines if each[1] and not each[1].startswith(b"#")]
    if not keys:
        raise InventoryError(f"--identity: no key in {path}")
    return keys


def _identity(pyrage: Any, path: Path, number: int, line: bytes) -> Any:
    try:
        return pyrage.x25519.Identity.from_str(line.decode())
    except Exception:  # noqa: BLE001  # pyrage's message may quote the secret key
        raise InventoryError(f"--identity: line {number} of {path} is not an age secret key") from None


def _pyrage() -> Any:
    try:
        import pyrage
    except ImportError as error:
        raise MeasurementError("pyrage is not installed: pip install 'opsproof[offsite]'") from error
    return pyrage
