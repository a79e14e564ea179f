"""Verifications of repositories in the journal: a whole repository was read back, by a backup or a verification.

In the `measured` of the entry, `read_back` holds the names of the declared backups of the verified repositories, and
`flaws_of_NAME` the flaws of a repository, if any.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opsproof.action.journal import newest, unreadable
from opsproof.core.errors import Absent

ACTIONS = ("backup", "verify_backup")
KEY = "read_back"


@dataclass(frozen=True)
class RepositoryReading:
    """A verification: its start in seconds since 1970, and the flaws found, if any."""

    began: float
    flaws: str

    @property
    def age_s(self) -> float:
        """Seconds since the start."""
        return max(0.0, time.time() - self.began)


def noted(measured: dict[str, float | str], backup: str, flaws: list[str]) -> None:
    """Adds to `measured` that the repository of a backup was verified, with its flaws."""
    before = str(measured.get(KEY, "")).split()
    measured[KEY] = " ".join([*before, backup])
    if flaws:
        measured[f"flaws_of_{backup}"] = "; ".join(flaws)


def last(journal: Path, host: str, backup: str) -> RepositoryReading:
    """The last verification of the repository of a declared backup.

    Raises:
        Absent: the journal has no verification of the backup.
        MeasurementError: the journal cannot be read.
    """
    try:
        of = newest(journal, ACTIONS, lambda each: _is_of(each, host, backup))
        found = RepositoryReading(of["began"], str(of["measured"].get(f"flaws_of_{backup}", ""))) if of else None
    except (KeyError, AttributeError) as error:
        raise unreadable(journal, error) from error
    if found is None:
        raise Absent(f"no verification of {backup} in the journal {journal} (dates in the future do not count)")
    return found


def _is_of(entry: dict[str, Any], host: str, backup: str) -> bool:
    return entry["host"] == host and backup in str(entry.get("measured", {}).get(KEY, "")).split()
