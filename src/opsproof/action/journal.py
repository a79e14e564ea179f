"""The journal of actions: host, user, steps and outcome of each action, as a JSON object per line."""

import getpass
import json
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from opsproof.core import files
from opsproof.core.ages import is_ahead
from opsproof.core.errors import MeasurementError

TAIL_BYTES = 256 * 1024
"""Read by `tail`, whatever the size of the journal: a few hundred entries."""
_SHOWN = {"action", "host", "outcome", "message", "began", "duration_s"}


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
    """The entries of `actions` in the journal at `path`, in the order of the file; empty without a journal.

    Entries dated in the future are left out: their date is wrong, and would count as recent for ever. Torn lines are
    left out too.

    Raises:
        MeasurementError: the journal cannot be read.
    """
    return [entry for _, entry in _numbered(path, _lines(path), actions)]


def newest(path: Path, actions: tuple[str, ...], is_of: Callable[[dict[str, Any]], bool]) -> dict[str, Any] | None:
    """The entry of `actions` with the latest begin for which `is_of` is true; None without one.

    Raises:
        MeasurementError: the journal cannot be read, or a torn line behind the entry may be a newer one.
    """
    lines = _lines(path)
    torn = max((number for number, line in enumerate(lines, 1) if files.is_torn(line)), default=0)
    try:
        found = [each for each in _numbered(path, lines, actions) if is_of(each[1])]
    except (KeyError, TypeError, AttributeError) as error:
        raise unreadable(path, error) from error
    number, entry = max(found, key=lambda each: each[1]["began"], default=(0, None))
    if torn > number:
        raise unreadable(path, f"line {torn} is torn")
    return entry


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error


def _numbered(path: Path, lines: list[str], actions: tuple[str, ...]) -> list[tuple[int, dict[str, Any]]]:
    naming = [each for each in enumerate(lines, 1) if any(f'"{action}"' in each[1] for action in actions)]
    try:
        found = [(number, json.loads(line)) for number, line in naming if not files.is_torn(line)]
        now = time.time()
        return [each for each in found if each[1]["action"] in actions and not is_ahead(each[1]["began"], now)]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise unreadable(path, error) from error


def tail(path: Path) -> list[dict[str, Any]]:
    """The entries in the last `TAIL_BYTES` of the journal, the newest first, without lines that cannot be read.

    Raises:
        OSError: the journal cannot be read.
    """
    if not path.exists():
        return []
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - TAIL_BYTES))
        lines = file.read().decode(errors="replace").splitlines()
    found = []
    for line in lines:
        with suppress(ValueError, RecursionError):  # the first line may be cut
            found.append(json.loads(line))
    return [each for each in found[::-1] if isinstance(each, dict) and _is_whole(each)]


def _is_whole(entry: dict[str, Any]) -> bool:
    numbers = (entry.get("began"), entry.get("duration_s"))
    return entry.keys() >= _SHOWN and all(isinstance(each, (int, float)) for each in numbers)


def unreadable(path: Path, error: Exception | str) -> MeasurementError:
    """The error for a journal that cannot be read."""
    return MeasurementError(f"the journal {path} cannot be read: {error}")
