"""Removes expired pages, XML files and recordings from the folder of reports."""

import datetime
import re
from collections.abc import Iterator
from pathlib import Path

from opsproof.history.estate import earliest_start, last_runs
from opsproof.history.store import History
from opsproof.round.report.names import stem

_STEM = re.compile(r"(?P<moment>\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d\.\d{3})_(?P<round>\w[\w-]*)\.(?:html|xml|json)")
_CAREFUL = 10
"""A run with a wrong clock must not make every page old: the earliest of so many runs counts as now."""


def expired(folder: Path, history: History, keep_s: float, linked: Path | None) -> Iterator[Path]:
    """The files of runs that began more than `keep_s` seconds ago, except those of the last run of each round.

    The page `linked` is kept too: the page of the last run has a link to it. Files with other names are left alone.
    Without a readable history no file is expired.
    """
    now = earliest_start(history, _CAREFUL)
    if now is not None:
        kept = {stem(each.started, each.cadence) for each in last_runs(history)} | _last_stems(folder)
        kept |= {linked.stem} if linked else set()
        for path in sorted(folder.iterdir()):
            match = _STEM.fullmatch(path.name)
            if match and path.stem not in kept and path.is_file() and _began(match) < now - keep_s:
                yield path


def _last_stems(folder: Path) -> set[str]:
    """The last stem of each round by name: runs of selected checks have no place in the index."""
    found: dict[str, str] = {}
    for path in folder.iterdir():
        if match := _STEM.fullmatch(path.name):
            found[match["round"]] = max(found.get(match["round"], ""), path.stem)
    return set(found.values())


def _began(match: re.Match[str]) -> float:
    return datetime.datetime.strptime(match["moment"], "%Y-%m-%d_%H-%M-%S.%f").astimezone().timestamp()
