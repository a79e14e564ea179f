"""Restores in the journal: the last restore of each declared backup."""

from collections.abc import Collection
from pathlib import Path

from opsproof.action.journal import entries, unreadable

ACTION = "restore"


def last_began(journal: Path, host: str, backups: Collection[str]) -> float | None:
    """The start of the last restore of any of `backups`, in seconds since 1970; None without a restore.

    Raises:
        MeasurementError: the journal cannot be read.
    """
    try:
        found = [
            float(each["began"])
            for each in entries(journal, ACTION)
            if each["host"] == host and each.get("measured", {}).get("backup") in backups
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise unreadable(journal, error) from error
    return max(found, default=None)
