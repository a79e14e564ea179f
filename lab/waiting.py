"""The one function that waits for something to come true."""

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
    """Waits until `holds()` is true, and gives its value.

    Args:
        holds: asked again and again; its value must be true in the end.
        what: the condition, for the error, such as "the dump begins".
        seconds: the limit.
        process: what should bring the condition about; it is asked once more after the process has ended.
        every_s: the pause between two questions.

    Raises:
        LabError: the limit has passed, or the process has ended without the condition; quotes its last output.
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
    """The last output of a process whose output comes through pipes, without waiting for more."""
    streams = (process.stdout, process.stderr) if process is not None else ()
    parts = [_waiting(each) for each in streams if each is not None and not each.closed]
    text = "".join(parts)[-TAIL:].strip()
    return f"; it printed: {text}" if text else ""


def _waiting(stream: IO[str] | IO[bytes]) -> str:
    """What lies in a pipe at this moment."""
    number = stream.fileno()
    os.set_blocking(number, False)
    content = b""
    with suppress(BlockingIOError):
        while part := os.read(number, 65536):
            content += part
    os.set_blocking(number, True)
    return content.decode(errors="replace")
