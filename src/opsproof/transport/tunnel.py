"""An ssh tunnel to a database that is reachable from its host only: a separate connection, to a private local socket.

The connection lives until this process closes its standard input, also by being killed. A killed process leaves a
folder, which the next process removes.
"""

import os
import re
import secrets
import select
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from opsproof.core.errors import DatabaseError

OPENED_WITHIN_S = 15.0
_OPTIONS = (
    "-T",
    "-o", "ControlPath=none",
    "-o", "StreamLocalBindMask=0177",
    "-o", "LogLevel=INFO",
)  # fmt: skip
_REFUSED = re.compile(r"channel \d+: open failed:")


@dataclass(frozen=True)
class Tunnel:
    """An open tunnel: the folder of its socket, and the password from the host's password file, if any."""

    folder: Path
    password: str | None

    def complaint(self) -> str:
        """The last message of ssh; empty without a message."""
        lines = self._lines()
        return lines[-1].strip()[:300] if lines else ""

    def refusal(self) -> str:
        """The message of ssh about a refused forwarding; empty without a refusal."""
        return next((line.strip()[:300] for line in self._lines() if _REFUSED.search(line)), "")

    def _lines(self) -> list[str]:
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace").splitlines()


@contextmanager
def opened(ssh: Sequence[str], runtime: Path, server: str, port: int, password_file: str = "") -> Iterator[Tunnel]:
    """A tunnel to `server` (name, address or socket folder on the host), open within the context.

    `ssh` is the command line, with the host name last; `runtime` is a private folder.

    Raises:
        DatabaseError: the tunnel cannot be opened, or the password file cannot be read.
    """
    sweep(runtime)
    folder = runtime / f"tunnel-{os.getpid()}-{secrets.token_hex(3)}"
    folder.mkdir(mode=0o700)
    here, nonce = folder / f".s.PGSQL.{port}", secrets.token_hex(8)
    there = f"{server}/.s.PGSQL.{port}" if server.startswith("/") else f"{_bracketed(server)}:{port}"
    words = [ssh[0], *_OPTIONS, "-L", f"{here}:{there}", *ssh[1:], _remote(nonce, password_file)]
    try:
        with (folder / "log").open("wb") as log, _process(words, log.fileno()) as process:
            password = _password(process, folder, nonce, bool(password_file))
            if not here.exists():
                raise DatabaseError(f"the tunnel cannot be opened: {Tunnel(folder, None).complaint()}")
            yield Tunnel(folder, password)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep(runtime: Path) -> None:
    """Removes the folders of killed processes."""
    for folder in runtime.glob("tunnel-*"):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(int(folder.name.split("-")[1]), 0)
            continue
        shutil.rmtree(folder, ignore_errors=True)


def _bracketed(server: str) -> str:
    return f"[{server}]" if ":" in server else server


def _remote(nonce: str, password_file: str) -> str:
    """The command on the host: prints the nonce, prints the password, waits for the end of its input."""
    read = f"head -n 1 -- {shlex.quote(password_file)} && echo && " if password_file else ""
    return f"echo {nonce} && {read}exec cat"


@contextmanager
def _process(words: list[str], log: int) -> Iterator["subprocess.Popen[bytes]"]:
    pipe = subprocess.PIPE
    try:
        begun = subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=log, start_new_session=True)
    except OSError as error:
        raise DatabaseError(f"the tunnel cannot be opened: {words[0]}: {error.strerror}") from error
    with begun as process:
        try:
            yield process
        finally:
            process.kill()


def _password(process: "subprocess.Popen[bytes]", folder: Path, nonce: str, named: bool) -> str | None:
    lines = _lines(process, nonce.encode(), 2 if named else 1)
    if lines is None:
        raise DatabaseError(f"the tunnel cannot be opened: {Tunnel(folder, None).complaint() or 'no answer in time'}")
    return lines[1] if named else None


def _lines(process: "subprocess.Popen[bytes]", first: bytes, count: int) -> list[str] | None:
    """`count` lines of output from the line `first` on; None after a timeout."""
    assert process.stdout is not None
    deadline, printed = time.monotonic() + OPENED_WITHIN_S, b""
    while (left := deadline - time.monotonic()) > 0 and select.select([process.stdout], [], [], left)[0]:
        got = os.read(process.stdout.fileno(), 4096)
        printed += got
        whole = (b"\n" + printed).partition(b"\n" + first + b"\n")
        lines = [first, *whole[2].split(b"\n")[:-1]] if whole[1] else []
        if len(lines) >= count:
            return [line.decode() for line in lines[:count]]
        if not got:
            process.wait()
            return None
    return None
