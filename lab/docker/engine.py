"""The Docker engine, through the docker command."""

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.errors import LabError

SOCKET = "/var/run/docker.sock"
INSPECT_TIMEOUT_S = 30


@dataclass(frozen=True)
class Job:
    """A program to run at the same time as others, with its output in a file."""

    name: str
    command: tuple[str, ...]
    log: Path
    data: bytes = b""


def socket() -> str:
    """Path of the engine's socket."""
    return os.environ.get("DOCKER_HOST", "").removeprefix("unix://") or SOCKET


def require() -> None:
    """Raises LabError unless an engine answers."""
    try:
        run("version", "--format", "{{.Server.Version}}", timeout_s=15)
    except LabError as error:
        raise LabError(f"no docker engine answers: {error}: start dockerd or install docker.io") from None


def run(*arguments: str, data: bytes = b"", environment: Mapping[str, str] | None = None, timeout_s: float = 60) -> str:
    """Runs a docker command and returns the output; on failure, LabError with the last error line."""
    try:
        answer = subprocess.run(
            ["docker", *arguments],
            input=data,
            env={**os.environ, **(environment or {})},
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise LabError(f"docker {arguments[0]} timed out after {timeout_s} s") from None
    except OSError as error:
        raise LabError(f"docker cannot be run: {error.strerror}") from None
    if answer.returncode != 0:
        raise LabError(f"docker {arguments[0]} failed: {_complaint(answer.stderr, answer.returncode)}")
    return answer.stdout.decode(errors="replace")


def containers(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """`docker inspect` of the existing containers, by name."""
    return {item["Name"].removeprefix("/"): item for item in _inspect("container", *names)}


def image(tag: str) -> dict[str, Any] | None:
    """`docker inspect` of an image; None if the image does not exist."""
    return next(iter(_inspect("image", tag)), None)


def exists(kind: str, name: str) -> bool:
    """Whether a network, volume, image or container exists."""
    return any(_inspect(kind, name))


def run_all(jobs: Iterable[Job]) -> None:
    """Runs all jobs concurrently and waits; LabError names the first failed job. Interruption ends all jobs."""
    with ExitStack() as stack:
        running = [(job, _start(job, stack)) for job in jobs]
        failed = [job for job, process in running if process.wait() != 0]
    if failed:
        raise LabError(f"{failed[0].name} failed: {_last_line(failed[0].log)}: see {failed[0].log}")


def _start(job: Job, stack: ExitStack) -> subprocess.Popen[bytes]:
    with tempfile.TemporaryFile() as source, job.log.open("wb") as log:
        source.write(job.data)
        source.seek(0)
        process = subprocess.Popen(job.command, stdin=source, stdout=log, stderr=log, start_new_session=True)
    stack.enter_context(process)
    stack.callback(_end, process)
    return process


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends the process group: a shell alone would wait for its child first."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)


def _inspect(kind: str, *names: str) -> Iterator[dict[str, Any]]:
    """Omits missing names: docker fails then, but still prints the objects found."""
    command = ["docker", kind, "inspect", *names]
    try:
        answer = subprocess.run(command, capture_output=True, timeout=INSPECT_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        raise LabError(f"docker inspect timed out after {INSPECT_TIMEOUT_S} s: see the engine's log") from None
    yield from json.loads(answer.stdout or "[]")


def _complaint(stderr: bytes, status: int) -> str:
    lines = [line for line in stderr.decode(errors="replace").splitlines() if line.strip() and "--help" not in line]
    return lines[-1].strip()[:300] if lines else f"exit {status}"


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1].strip()[:200] if lines else "no output"
