"""Declared data without a backup."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from opsproof.core.errors import Absent
from opsproof.facts.backups import BackupState, StanzaState
from opsproof.facts.base import Measured
from opsproof.facts.places import Places
from opsproof.inventory.hosts import Host


@dataclass(frozen=True)
class Gap:
    """Data without a backup; `look` is the path to look at where another backup would not help."""

    reason: str
    look: str = ""

    def __str__(self) -> str:
        """The reason."""
        return self.reason


def uncovered(host: Host, backups: Measured[BackupState | StanzaState], places: Places) -> list[Gap]:
    """Declared databases and files of `host` without a backup, with the reason.

    The newest backup of files must hold the place of a declared path: behind a symbolic link, the place it leads to. A
    path declared after the newest backup has no backup yet.

    Raises:
        MeasurementError: the folder of a backup cannot be read.
    """
    return [*_databases(host), *_files(host, backups, places)]


def _databases(host: Host) -> Iterator[Gap]:
    saved = {each.database for each in host.backups.values()}
    for name, database in host.databases.items():
        if name not in saved and not database.no_backup:
            yield Gap(f"database {name}: no backup is declared")


def _files(host: Host, backups: Measured[BackupState | StanzaState], places: Places) -> Iterator[Gap]:
    for path in (path for path, data in host.data.items() if not data.no_backup):
        known = [name for name, each in host.backups.items() if _covers(each.paths, each.exclude, path, places)]
        if path in places.gone:
            yield Gap(f"{path}: does not exist", path)
        elif not known:
            yield Gap(f"{_said(path, places)}: in the paths of no backup", path)
        elif gaps := [gap for name in known if (gap := _gap(host, backups, name, path, places))]:
            yield from gaps[:1] if len(gaps) == len(known) else ()


def _said(path: str, places: Places) -> str:
    place = places.of(path)
    return path if not path.startswith("/") or str(place) == path else f"{path}, which leads to {place}"


def _covers(paths: Iterable[str], excluded: Iterable[str], path: str, places: Places) -> bool:
    place, declared = places.of(path), PurePosixPath(path)
    names = (place, *place.parents, declared, *declared.parents)
    is_excluded = any(fnmatchcase(str(name), pattern) for name in names for pattern in excluded)
    return not is_excluded and any(places.of_archived(each) in (place, *place.parents) for each in paths)


def _gap(host: Host, backups: Measured[BackupState | StanzaState], name: str, path: str, places: Places) -> Gap | None:
    """The reason for a path missing from the newest backup; None for a held path."""
    try:
        state = backups[name]
    except Absent as error:
        return Gap(f"{path}: {error}", host.backups[name].folder)
    assert isinstance(state, BackupState)
    try:
        held = state.held_paths
    except Absent as error:
        return Gap(f"{path}: {error}")
    is_held = _covers(held, (), path, places)
    return None if is_held else Gap(f"{path}: not in {state.newest}, the newest backup")
