"""The function that waits for a condition."""

import os
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from typing import IO, TypeVar

from lab.errors import LabError

T = TypeVar("T")
TAIL = 2000
"""How many characters of a process' output an error quotes."""


def wait_until(
    holds: Callable[[], T],
    what: str,
    seconds: float = 20,
    *,
    process: "subprocess.Popen[str] | subprocess.Popen[bytes] | None" = None,
    every_s: float = 0.05,
) -> T:
    """Waits until `holds()` is true and returns the value.

    Args:
        holds: the condition, called repeatedly until the value is true.
        what: the condition as text, for the error: "the dump begins".
        seconds: the limit.
        process: the process expected to fulfil the condition; after the process ends, `holds` is called once more.
        every_s: the pause between two calls.

    Raises:
        LabError: the limit passed, or the process ended without fulfilling the condition; quotes the last output.
    """
    deadline = time.monotonic() + seconds
    while True:
        ended = process.poll() if process is not None else None
        if value := holds():
            return value
        if ended is not None:
            raise LabError(f"{what}: its process ended with {ended}{_said(process)}")
        if time.monotonic() > deadline:
            raise LabError(f"{what}: not within {seconds:g} s{_said(process)}")
        time.sleep(every_s)


def _said(process: "subprocess.Popen[str] | subprocess.Popen[bytes] | None") -> str:
    """The last output of a process with pipes, without waiting for more."""
    streams = (process.stdout, process.stderr) if process is not None else ()
    parts = [_waiting(each) for each in streams if each is not None and not each.closed]
    text = "".join(parts)[-TAIL:].strip()
    return f"; it printed: {text}" if text else ""


def _waiting(stream: IO[str] | IO[bytes]) -> str:
    """The content of a pipe, without waiting."""
    number = stream.fileno()
    os.set_blocking(number, False)
    content = b""
    with suppress(BlockingIOError):
        while part := os.read(number, 65536):
            content += part
    os.set_blocking(number, True)
    return content.decode(errors="replace")
