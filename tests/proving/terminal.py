"""Runs a command line in a terminal, as an administrator does: prompts are answered, a pager waits for a key."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ROWS, COLUMNS = 50, 200
LIMIT_S = 60.0
ENDING_S = 10.0
"""How long a command without a terminal may take to end."""
_CURSOR, _TO_MARGIN = b"\x1b[6n", b"\x1b[999C"
"""Asks a terminal for the column of its cursor, and moves the cursor to the right: so a program measures the width of
a terminal without a known size, as a terminal of Docker is at first."""
_ESCAPES = re.compile(rb"\x1b(?:\[[0-9;?]*[A-Za-z]|[=>]|\][^\x07]*\x07)|\r")


@dataclass(frozen=True)
class Ran:
    """The exit status of a command, None after the time limit, and the output."""

    status: int | None
    output: str

    @property
    def problem(self) -> str:
        """The reason why the command failed, in a line; empty if the exit status is 0."""
        last = (self.output.strip().splitlines() or ["printed nothing"])[-1]
        if self.status is None:
            return f"hangs: {last}"
        return f"exit status {self.status}: {last}" if self.status else ""


def run(
    words: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    answers: Mapping[str, str],
    limit_s: float = LIMIT_S,
) -> Ran:
    """Runs a command in a new terminal; `answers` has the answers to prompts, by pattern for the end of the output."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    command = ["setsid", "--ctty", *words]
    process = subprocess.Popen(command, cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    try:
        output, is_over = _converse(ours, answers, time.monotonic() + limit_s)
        status = process.wait(ENDING_S) if is_over else None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(ours)
    return Ran(status, output.decode("utf-8", "replace"))


def _converse(terminal: int, answers: Mapping[str, str], until: float) -> tuple[bytes, bool]:
    """Reads to the end, and answers prompts; returns the output, and True if the terminal was closed in time."""
    output, answered = b"", 0
    while (left := until - time.monotonic()) > 0:
        if not select.select([terminal], [], [], left)[0]:
            break
        try:
            some = os.read(terminal, 65536)
        except OSError:  # all processes have closed the terminal
            some = b""
        if not some:
            return _ESCAPES.sub(b"", output), True
        output += some
        if output.endswith(_CURSOR):
            column = COLUMNS if output.endswith(_TO_MARGIN + _CURSOR) else 1
            os.write(terminal, f"\x1b[1;{column}R".encode())
        asked = _ESCAPES.sub(b"", output[answered:]).decode("utf-8", "replace")
        for pattern, answer in answers.items():
            if re.search(rf"(?:{pattern})\s*\Z", asked):
                os.write(terminal, f"{answer}\r".encode())  # the Enter key
                answered = len(output)
                break
    return _ESCAPES.sub(b"", output), False
