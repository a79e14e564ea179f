"""Commands on a host, over any testinfra transport; the only module that runs commands on hosts."""

import io
import os
import secrets
import select
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import IO, Any, BinaryIO, cast

from opsproof.core import scripts
from opsproof.core.errors import CommandError, HostUnreachable, OutputError
from opsproof.core.reasons import reason
from opsproof.inventory.hosts import Host
from opsproof.transport import ssh

_SUDO_REFUSES = "sudo: a password is required"
STREAM_CAP_BYTES = 4 * 2**20
POOLED_LENGTH = 100
"""Longer words travel once, as plain text; shorter words as hexadecimal digits."""
STOP_PATIENCE_S = 1
STOP_EVERY_S = 0.01
COMPLAINT_BYTES = 4096
PART_BYTES = 2**18
_RUNNING: set[int] = set()
CONTROLLER = Host(transport="local://").placed("controller", ())
"""The machine that runs opsproof."""


@dataclass(frozen=True)
class Command:
    """A program and its arguments, run without a shell; as `user`, if not as the login user."""

    argv: tuple[str, ...]
    timeout_s: float = 10.0
    user: str = ""

    def words(self) -> tuple[str, ...]:
        """The arguments, with sudo in front for another user."""
        return ("sudo", "-n", "-u", self.user, "--", *self.argv) if self.user else self.argv


@dataclass(frozen=True)
class Answer:
    """The result of a command: exit status, output, duration.

    `now` is the host's clock at the start. `sent` and `received` are the times before and after by the clock of this
    machine. All are in seconds since 1970. `flag` is ``-``, ``timeout`` or ``truncated``.
    """

    status: int
    stdout: str
    stderr: str = ""
    flag: str = "-"
    elapsed_s: float = 0.0
    now: float = 0.0
    sent: float = 0.0
    received: float = 0.0

    def require(self, tool: str, *statuses: int) -> "Answer":
        """Returns this answer if its status is in `statuses` (default: 0); `tool` names the program in errors.

        Raises:
            CommandError: the tool is missing, timed out, was denied or failed.
            OutputError: the output was too long.
        """
        if self.flag == "truncated":
            raise OutputError(f"{tool} printed more than {STREAM_CAP_BYTES >> 20} MiB")
        if self.flag == "timeout":
            raise CommandError(f"{tool} gave no answer within {self.elapsed_s:.0f} s")
        if self.status not in (statuses or (0,)):
            raise CommandError(f"{tool} {self._failure()}")
        return self

    def _failure(self) -> str:
        why = reason(self.stderr) or "no message"
        if why == _SUDO_REFUSES:
            why += " (no line of `sudo -l` fits: compare arguments, and the path of the program in secure_path)"
        return f"not found: {why}" if self.status == 127 else f"ended with status {self.status}: {why}"


def argv(*words: str, timeout_s: float = 10.0, user: str = "") -> Command:
    """A command from its arguments."""
    return Command(words, timeout_s, user)


def labelled(printed: str, what: str) -> dict[str, list[str]]:
    """The texts by label, of output in lines of a label, a space and a text. The last line must be "end".

    Raises:
        OutputError: the last line is missing.
    """
    lines = printed.split("\n")
    if lines[-2:] != ["end", ""]:
        raise OutputError(f"{what} was cut short")
    texts: dict[str, list[str]] = {}
    for line in lines[:-2]:
        label, _, rest = line.partition(" ")
        texts.setdefault(label, []).append(rest)
    return texts


def run(host: Host, commands: tuple[Command, ...]) -> list[Answer]:
    """The answers to `commands`, run concurrently on `host` in one round trip, each with its timeout.

    Raises:
        HostUnreachable: the transport failed or timed out.
    """
    nonce = secrets.token_hex(8)
    arguments = [
        "perl",
        "-e",
        scripts.perl("transport/gather"),
        nonce,
        str(STREAM_CAP_BYTES),
        ":".join(host.path),
        *encode(commands),
    ]
    limit_s = max(command.timeout_s for command in commands) + ssh.CONNECT_TIMEOUT_S + 5
    sent = time.time()
    stdout, stderr = _transport(host, arguments, limit_s)
    return [replace(answer, sent=sent, received=time.time()) for answer in _decode(host, nonce, stdout, stderr)]


def encode(commands: tuple[Command, ...]) -> list[str]:
    """The commands as arguments of transport/host/gather.pl."""
    words = [word for command in commands for word in command.words()]
    pool = sorted({word for word in words if len(word) > POOLED_LENGTH})
    jobs = [
        f"{command.timeout_s:g}:" + ",".join(_token(word, pool) for word in command.words()) for command in commands
    ]
    return [str(len(pool)), *pool, *jobs]


def _token(word: str, pool: list[str]) -> str:
    return f"@{pool.index(word)}" if word in pool else word.encode().hex()


def _decode(host: Host, nonce: str, printed: bytes, complaint: str) -> list[Answer]:
    head, found, rest = printed.partition(b"opsproof " + nonce.encode() + b" ")
    if not found or not rest.endswith(b"end " + nonce.encode() + b"\n"):
        raise HostUnreachable(f"{host.name}: {_reason(complaint or head.decode(errors='replace'))}")
    epoch, _, rest = rest.partition(b"\n")
    try:
        return _frames(float(epoch), rest)
    except ValueError as error:
        raise HostUnreachable(f"{host.name}: the answer is incomplete") from error


def _frames(epoch: float, rest: bytes) -> list[Answer]:
    answers = []
    while not rest.startswith(b"end "):
        line, _, rest = rest.partition(b"\n")
        status, took, flag, out, err = line.split()
        sizes = int(out), int(out) + int(err)
        stdout, stderr = (part.decode(errors="replace") for part in (rest[: sizes[0]], rest[sizes[0] : sizes[1]]))
        answers.append(Answer(int(status), stdout, stderr, flag.decode(), int(took) / 100, epoch))
        rest = rest[sizes[1] :]
    return answers


def _reason(stderr: str) -> str:
    return reason(stderr) or "the connection ended without an answer"


def _transport(host: Host, arguments: list[str], limit_s: float) -> tuple[bytes, str]:
    import testinfra  # not needed with saved facts

    try:
        target: Any = testinfra.get_host(ssh.specification(host.transport))
        target.backend.run_local = _bounded(target.backend, limit_s)
        result = target.run(" ".join(["%s"] * len(arguments)), *arguments)
    except subprocess.TimeoutExpired:
        raise HostUnreachable(f"{host.name}: no answer from {host.transport} within {limit_s:.0f} s") from None
    except Exception as error:  # testinfra passes on the exceptions of its transports
        raise HostUnreachable(f"{host.name}: {_failed_transport(error)}") from error
    return result.stdout_bytes, result.stderr_bytes.decode(errors="replace")


def _failed_transport(error: Exception) -> str:
    result = error.args[0] if error.args else error
    stderr = getattr(result, "stderr_bytes", None)
    return _reason(stderr.decode(errors="replace") if stderr is not None else str(error))


def _bounded(backend: Any, limit_s: float) -> Any:
    def run_local(command: str, *args: str) -> Any:
        line = backend.quote(command, *args)
        status, stdout, stderr = _within(limit_s, "/bin/sh", "-c", line)  # testinfra has no timeout
        return backend.result(status, line.encode(), stdout, stderr)

    return run_local


def _within(limit_s: float, *words: str) -> tuple[int, bytes, bytes]:
    """Exit status and output of a program; killed with its process group after `limit_s`."""
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, start_new_session=True) as process:
        _RUNNING.add(process.pid)
        try:
            stdout, stderr = process.communicate(timeout=limit_s)
        except BaseException:
            _stop(process)
            raise
        finally:
            _RUNNING.discard(process.pid)
    return process.returncode, stdout, stderr


def _stop(process: "subprocess.Popen[bytes]") -> None:
    # SIGTERM first: gather.pl then kills its commands, which run in their own process groups.
    with suppress(ProcessLookupError, subprocess.TimeoutExpired):
        os.killpg(process.pid, signal.SIGTERM)
        _await_end_of_group(process)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(STOP_PATIENCE_S)


def _await_end_of_group(process: "subprocess.Popen[bytes]") -> None:
    """Waits up to `STOP_PATIENCE_S` for the process group: the shell may end before gather.pl.

    Raises:
        ProcessLookupError: the group has ended.
    """
    deadline = time.monotonic() + STOP_PATIENCE_S
    while time.monotonic() < deadline:
        process.poll()
        os.killpg(process.pid, 0)
        time.sleep(STOP_EVERY_S)


@contextmanager
def attended(host: Host, command: Command) -> Iterator[str]:
    """The first line of output of `command`, which runs until the context closes its standard input.

    Raises:
        HostUnreachable: no line in time, no program, or the transport is neither ssh nor local.
    """
    with _begun(host, command, bufsize=-1) as process:
        try:
            yield _first_line(host, process, command.timeout_s + ssh.CONNECT_TIMEOUT_S)
        finally:
            process.kill()


@dataclass(frozen=True)
class Piped:
    """A running command with pipes: its output of any length, and its error messages."""

    host: str
    process: "subprocess.Popen[bytes]"
    stdout: BinaryIO
    complaint: bytearray
    listener: threading.Thread

    def send(self, content: BinaryIO) -> None:
        """Writes all of `content` to standard input and closes the pipe.

        Raises:
            CommandError: the command ended before it had read everything.
        """
        stdin = cast("io.FileIO", self.process.stdin)
        try:
            while part := content.read(PART_BYTES):
                rest = memoryview(part)
                while rest:
                    rest = rest[stdin.write(rest) :]
        except BrokenPipeError as error:
            self.require("the command")
            raise CommandError(f"{self.host}: the command ended before reading all of its input") from error
        stdin.close()

    def require(self, tool: str) -> None:
        """Waits for the end of the command.

        Raises:
            CommandError: the command failed, was killed or is missing.
        """
        self.stdout.close()
        self.process.wait()
        self.blame(tool)

    def blame(self, tool: str) -> None:
        """Raises the failure of the command, if it has failed or fails within `STOP_PATIENCE_S`.

        Raises:
            CommandError: the command failed, was killed or is missing.
        """
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_PATIENCE_S)
        if status := self.process.returncode:
            self.listener.join(STOP_PATIENCE_S)
            how = f"ended with status {status}" if status > 0 else f"was ended by signal {-status}"
            said = self.complaint.decode(errors="replace").strip() or "no message"
            raise CommandError(f"{self.host}: {tool} {how}: {_reason(said)}")


@contextmanager
def piped(host: Host, command: Command) -> Iterator[Piped]:
    """The running `command`; killed at the end of the context or at its timeout.

    Raises:
        HostUnreachable: no program, or the transport is neither ssh nor local.
    """
    complaint = bytearray()
    # Unbuffered, so that closing flushes nothing into a broken pipe.
    with (
        _begun(host, command, bufsize=0) as process,
        io.BufferedReader(cast("io.FileIO", process.stdout), PART_BYTES) as stdout,
    ):
        listener = threading.Thread(target=_listen, args=(process.stderr, complaint), daemon=True)
        clock = threading.Timer(command.timeout_s, process.kill)
        clock.daemon = True
        listener.start()
        clock.start()
        try:
            yield Piped(host.name, process, stdout, complaint, listener)
        finally:
            clock.cancel()
            process.kill()
            listener.join(STOP_PATIENCE_S)


def _begun(host: Host, command: Command, bufsize: int) -> "subprocess.Popen[bytes]":
    words, pipe = _attending(host, command), subprocess.PIPE
    try:
        return subprocess.Popen(words, bufsize, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True)
    except OSError as error:
        raise HostUnreachable(f"{host.name}: {words[0]}: {error.strerror}") from error


def _listen(stream: IO[bytes], complaint: bytearray) -> None:
    with suppress(ValueError, OSError):  # closed with the command
        while part := stream.read(COMPLAINT_BYTES):
            complaint += part
            del complaint[:-COMPLAINT_BYTES]


def _attending(host: Host, command: Command) -> list[str]:
    kind = host.transport.partition("://")[0]
    if kind == "local":
        return list(command.words())
    if kind != "ssh":
        raise HostUnreachable(f"{host.name}: {kind}:// cannot be used by actions: use ssh:// or local://")
    return [*ssh.words(host.transport), shlex.join(command.words())]


def _first_line(host: Host, process: "subprocess.Popen[bytes]", limit_s: float) -> str:
    assert process.stdout is not None
    assert process.stderr is not None
    if not select.select([process.stdout], [], [], limit_s)[0]:
        raise HostUnreachable(f"{host.name}: no answer from {host.transport} within {limit_s:.0f} s")
    line = process.stdout.readline().decode(errors="replace").rstrip("\n")
    if not line:
        raise HostUnreachable(f"{host.name}: {_reason(process.stderr.read().decode(errors='replace'))}")
    return line


def stop_all() -> None:
    """Terminates the running commands, so that an interrupted run ends at once."""
    for pid in tuple(_RUNNING):
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGTERM)
