"""Encryption with age, before a copy leaves: the only module that knows pyrage.

https://age-encryption.org
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from opsproof.errors import MeasurementError


@contextmanager
def encrypted(plain: BinaryIO, recipient: str) -> Iterator[BinaryIO]:
    """What `plain` holds, encrypted for the public key `recipient`, as it is read; a part of it in memory at a time.

    Raises:
        MeasurementError: pyrage is missing, or the key is none.
    """
    keys = [_key(recipient)]
    receiving, sending = os.pipe()
    failed: list[BaseException] = []

    def encrypt() -> None:
        import pyrage

        try:
            with os.fdopen(sending, "wb") as writer:
                pyrage.encrypt_io(plain, writer, keys)
        except Exception as error:  # noqa: BLE001  # told to the reader, who would take what it got for all
            failed.append(error)

    worker = threading.Thread(target=encrypt, daemon=True)
    with os.fdopen(receiving, "rb") as reader:
        worker.start()
        yield reader
    worker.join()
    if failed:
        raise MeasurementError(f"it cannot be encrypted: {failed[0]}")


def _key(recipient: str) -> object:
    try:
        from pyrage import x25519
    except ImportError as error:
        raise MeasurementError("pyrage is missing: pip install 'opsproof[offsite]'") from error
    try:
        return x25519.Recipient.from_str(recipient)
    except Exception as error:  # pyrage's own, which share no base with others
        raise MeasurementError(f"{recipient} is no public key of age: {error}") from error
