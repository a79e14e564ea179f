"""The journal of actions: what was done to which host, by whom, and how it ended; a JSON object a line."""

import getpass
import json
import os
import socket
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from opsproof.core.errors import MeasurementError


@dataclass(frozen=True)
class JournalEntry:
    """One action that was applied; `began` in seconds since 1970, `outcome` a word, `message` a sentence.

    `measured` is what the action learned that is worth keeping, under names with units.
    """

    action: str
    host: str
    arguments: list[str]
    plan: list[str]
    outcome: str
    message: str
    began: float
    duration_s: float
    measured: dict[str, float | str] = field(default_factory=dict)
    user: str = field(default_factory=lambda: f"{getpass.getuser()}@{socket.gethostname()}")

    def line(self) -> str:
        """This entry as a line of JSON, with the time as people read it first."""
        when = time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(self.began))
        return json.dumps({"time": when, **asdict(self), "duration_s": round(self.duration_s, 3)}) + "\n"


def append(path: Path, entry: JournalEntry) -> None:
    """Adds `entry` to the journal at `path`, whole or not at all, also while others do.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    line = entry.line().encode()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        end = os.fstat(descriptor).st_size
        if os.write(descriptor, line) != len(line):  # a full disk: what is there of it is no line
            os.ftruncate(descriptor, end)
            raise OSError(28, "no space left on device", str(path))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def entries(path: Path, *actions: str) -> list[dict[str, Any]]:
    """What the journal at `path` has of these actions, oldest first; nothing where there is no journal.

    Raises:
        MeasurementError: it cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        found = [json.loads(line) for line in lines if any(f'"{action}"' in line for action in actions)]
        return sorted((each for each in found if each["action"] in actions), key=lambda each: each["began"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception) -> MeasurementError:
    """That a journal says nothing."""
    return MeasurementError(f"the journal {path} cannot be read: {error}")
