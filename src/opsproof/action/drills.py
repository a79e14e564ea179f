"""Restore drills in the journal: the last drill of each declared backup.

A drill is a journal entry of the action `restore_drill`. Its `measured` holds the name of the declared `backup`, the
restored `set`, and `restore_s`, the duration of the restore in seconds; perhaps `differences` and `flaws`.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opsproof.action.journal import newest, unreadable
from opsproof.core.errors import Absent, MeasurementError

ACTION = "restore_drill"


@dataclass(frozen=True)
class Drill:
    """A restore drill: its start in seconds since 1970, and its result."""

    began: float
    outcome: str
    message: str
    measured: dict[str, Any]

    @property
    def age_s(self) -> float:
        """Seconds since the start."""
        return max(0.0, time.time() - self.began)

    @property
    def is_good(self) -> bool:
        """Whether the backup can be restored, perhaps with differences in definitions."""
        differs = self.outcome == "not repaired" and "differences" in self.measured and "flaws" not in self.measured
        return self.outcome == "done" or differs

    @property
    def differences(self) -> str:
        """The definitions that differ from the backup; empty without differences.

        Raises:
            MeasurementError: the drill ended before definitions were compared.
        """
        if "differences" not in self.measured and not self.is_good:
            raise MeasurementError(f"the last drill compared no definitions: its outcome is {self.outcome}")
        return str(self.measured.get("differences", ""))

    @property
    def is_complete(self) -> bool:
        """True if pages, indexes, rows and schema were all checked.

        Raises:
            MeasurementError: the drill skipped a check.
        """
        if skipped := self.measured.get("not_checked"):
            raise MeasurementError(f"the last drill skipped checks: {skipped}")
        return True

    @property
    def restore_s(self) -> float:
        """Duration of the restore in seconds.

        Raises:
            MeasurementError: the drill ended before the restore was complete.
        """
        if "restore_s" not in self.measured:
            raise MeasurementError(f"the last drill has no restore time: its outcome is {self.outcome}")
        return float(self.measured["restore_s"])


def last(journal: Path, host: str, backup: str) -> Drill:
    """The last drill of a declared backup.

    Raises:
        Absent: the journal has no drill of the backup.
        MeasurementError: the journal cannot be read.
    """
    try:
        of = newest(journal, (ACTION,), lambda each: _is_of(each, host, backup))
        found = Drill(of["began"], of["outcome"], of["message"], of["measured"]) if of else None
    except KeyError as error:
        raise unreadable(journal, error) from error
    if found is None:
        raise Absent(f"no restore drill of {backup} in the journal {journal} (dates in the future do not count)")
    return found


def _is_of(entry: dict[str, Any], host: str, backup: str) -> bool:
    of = (entry["host"], entry.get("measured", {}).get("backup"))
    return of == (host, backup) and entry["outcome"] != "refused"
