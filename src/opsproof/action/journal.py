"""The journal of actions: host, user, steps and outcome of each action, as a JSON object per line."""

import getpass
import json
import socket
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from opsproof.core import files
from opsproof.core.ages import is_ahead
from opsproof.core.errors import MeasurementError


@dataclass(frozen=True)
class JournalEntry:
    """An applied action. `began` is in seconds since 1970, `outcome` is a word, `message` a sentence.

    `measured` holds the measured values, under names with units.
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
        """This entry as a line of JSON, with a readable time first."""
        when = time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(self.began))
        return json.dumps({"time": when, **asdict(self), "duration_s": round(self.duration_s, 3)}) + "\n"


def append(path: Path, entry: JournalEntry) -> None:
    """Appends `entry` to the journal at `path` atomically, safe with concurrent writers.

    Raises:
        OSError: the journal cannot be written.
    """
    files.append(path, entry.line())


def entries(path: Path, *actions: str) -> list[dict[str, Any]]:
    """The entries of `actions` in the journal at `path`, oldest first; empty without a journal.

    Entries dated in the future are left out: their date is wrong, and would count as recent for ever.

    Raises:
        MeasurementError: the journal cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        found = [json.loads(line) for line in lines if any(f'"{action}"' in line for action in actions)]
        now = time.time()
        dated = [each for each in found if each["action"] in actions and not is_ahead(each["began"], now)]
        return sorted(dated, key=lambda each: each["began"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception) -> MeasurementError:
    """The error for a journal that cannot be read."""
    return MeasurementError(f"the journal {path} cannot be read: {error}")
