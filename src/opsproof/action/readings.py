"""What the journal knows of repositories that were read back, all of each: by a backup, or to verify one.

The `measured` of such an entry has `read_back`, the names of the declared backups whose repositories were read, and
for each of these that is not what it should be `flaws_of_NAME`.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opsproof.action.journal import entries, unreadable
from opsproof.core.errors import Absent

ACTIONS = ("backup", "verify_backup")
KEY = "read_back"


@dataclass(frozen=True)
class RepositoryReading:
    """A repository that was read back: when, in seconds since 1970, and what was wrong with it, if anything was."""

    began: float
    flaws: str

    @property
    def age_s(self) -> float:
        """Seconds since it began."""
        return time.time() - self.began


def noted(measured: dict[str, float | str], backup: str, flaws: list[str]) -> None:
    """Puts it into what an action has `measured` that the repository of a backup was read, with these flaws."""
    before = str(measured.get(KEY, "")).split()
    measured[KEY] = " ".join([*before, backup])
    if flaws:
        measured[f"flaws_of_{backup}"] = "; ".join(flaws)


def last(journal: Path, host: str, backup: str) -> RepositoryReading:
    """The last time that the repository of a declared backup was read back.

    Raises:
        Absent: it never was.
        MeasurementError: the journal cannot be read.
    """
    try:
        of = [each for each in entries(journal, *ACTIONS) if _is_of(each, host, backup)]
        fields = [(each["began"], str(each["measured"].get(f"flaws_of_{backup}", ""))) for each in of]
    except (KeyError, TypeError, AttributeError) as error:
        raise unreadable(journal, error) from error
    if not fields:
        raise Absent(f"that {backup} was read back is not in the journal {journal}")
    return RepositoryReading(*fields[-1])


def _is_of(entry: dict[str, Any], host: str, backup: str) -> bool:
    return entry["host"] == host and backup in str(entry.get("measured", {}).get(KEY, "")).split()
