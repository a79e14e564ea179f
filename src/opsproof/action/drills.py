"""What the journal knows of restore drills: the last one of each declared backup.

A drill is an entry of the action `restore_drill`. Its `measured` holds `backup`, the declared backup's name; `set`,
the set that was restored; and `restore_s`, the time that it took in seconds.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opsproof.action.journal import entries, unreadable
from opsproof.core.errors import Absent, MeasurementError

ACTION = "restore_drill"


@dataclass(frozen=True)
class Drill:
    """A backup that was restored for practice: when, in seconds since 1970, and how it ended."""

    began: float
    outcome: str
    message: str
    measured: dict[str, Any]

    @property
    def age_s(self) -> float:
        """Seconds since it began."""
        return time.time() - self.began

    @property
    def looked_at_all(self) -> bool:
        """Whether pages, indexes, rows and schema were all looked at.

        Raises:
            MeasurementError: what was not.
        """
        if left_out := self.measured.get("not_checked"):
            raise MeasurementError(f"the last drill did not look at all: {left_out}")
        return True

    @property
    def restore_s(self) -> float:
        """Seconds that the restore took.

        Raises:
            MeasurementError: it did not come so far.
        """
        if "restore_s" not in self.measured:
            raise MeasurementError(f"the last drill measured no restore: it is {self.outcome}")
        return float(self.measured["restore_s"])


def last(journal: Path, host: str, backup: str) -> Drill:
    """The last drill of a declared backup.

    Raises:
        Absent: there was none.
        MeasurementError: the journal cannot be read.
    """
    try:
        of = [each for each in entries(journal, ACTION) if _is_of(each, host, backup)]
        fields = [(each["began"], each["outcome"], each["message"], each["measured"]) for each in of]
    except (KeyError, TypeError, AttributeError) as error:
        raise unreadable(journal, error) from error
    if not fields:
        raise Absent(f"no restore of {backup} is in the journal {journal}")
    return Drill(*fields[-1])


def _is_of(entry: dict[str, Any], host: str, backup: str) -> bool:
    of = (entry["host"], entry.get("measured", {}).get("backup"))
    return of == (host, backup) and entry["outcome"] != "refused"
