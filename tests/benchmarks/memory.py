"""Memory used by an action: by the controller process, and by all programs started on the host."""

import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from measure import ENVIRONMENT, REPOSITORY, RunFailedError

from lab import processes

SAMPLE_EVERY_S = 0.01


@dataclass(frozen=True)
class Peaks:
    """Peak resident memory: of the controller, and of all its descendants together."""

    controller_bytes: float = 0.0
    host_bytes: float = 0.0


def peaks(words: list[str]) -> Peaks:
    """Runs a program to its end and measures peaks; processes of the database server do not count.

    Raises:
        RunFailedError: the program failed.
    """
    found = Peaks()
    with subprocess.Popen(words, cwd=REPOSITORY, env=ENVIRONMENT, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            others = _descendants(process.pid)
            own, rest = _resident(process.pid, "VmHWM"), sum(_resident(each, "VmRSS") for each in others)
            found = Peaks(max(found.controller_bytes, own), max(found.host_bytes, rest))
            time.sleep(SAMPLE_EVERY_S)
    if process.returncode:
        raise RunFailedError(f"{words[1]} ended with status {process.returncode}")
    return found


def _descendants(root: int) -> set[int]:
    own = _program(root)  # of forks before their exec, too
    return {pid for pid in processes.descendants([root]) - {root} if _program(pid) != own}


def _program(pid: int) -> str:
    with suppress(OSError):
        return str(Path(f"/proc/{pid}/exe").readlink())
    return ""


def _resident(pid: int, kind: str) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(f"{kind}:"):
                return int(line.split()[1]) * 1024
    return 0
