"""Declared data without a backup."""

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from opsproof.core.errors import Absent
from opsproof.facts.backups import BackupState, StanzaState
from opsproof.facts.base import Measured
from opsproof.inventory.hosts import Host


def uncovered(host: Host, backups: Measured[BackupState | StanzaState]) -> list[str]:
    """Declared databases and files of `host` without a backup, with the reason.

    The newest backup of files must hold a declared path. A path declared after the newest backup has no backup yet.

    Raises:
        MeasurementError: the folder of a backup cannot be read.
    """
    return [*_databases(host), *_files(host, backups)]


def missing_folders(host: Host, backups: Measured[BackupState | StanzaState]) -> list[str]:
    """The declared folders of backups of files that do not exist: a backup refuses to make them."""
    return [each.folder for name, each in host.backups.items() if each.paths and _is_missing(backups, name)]


def _is_missing(backups: Measured[BackupState | StanzaState], name: str) -> bool:
    try:
        backups[name]
    except Absent:
        return True
    return False


def _databases(host: Host) -> Iterator[str]:
    saved = {each.database for each in host.backups.values()}
    for name, database in host.databases.items():
        if name not in saved and not database.no_backup:
            yield f"database {name}: no backup is declared"


def _files(host: Host, backups: Measured[BackupState | StanzaState]) -> Iterator[str]:
    for path in (path for path, data in host.data.items() if not data.no_backup):
        known = [name for name, each in host.backups.items() if _covers(each.paths, each.exclude, path)]
        if not known:
            yield f"{path}: in the paths of no backup"
        elif reasons := [_lack(backups, name, path) for name in known]:
            yield from reasons[:1] if all(reasons) else ()


def _covers(paths: Iterable[str], excluded: Iterable[str], path: str) -> bool:
    parts = (PurePosixPath(path), *PurePosixPath(path).parents)
    is_excluded = any(fnmatchcase(str(part), pattern) for part in parts for pattern in excluded)
    return not is_excluded and any(PurePosixPath(each) in parts for each in paths)


def _lack(backups: Measured[BackupState | StanzaState], name: str, path: str) -> str:
    """The reason for a path missing from the newest backup; empty for a held path."""
    try:
        state = backups[name]
        assert isinstance(state, BackupState)
        held = state.held_paths
    except Absent as error:
        return f"{path}: {error}"
    return "" if _covers(held, (), path) else f"{path}: not in {state.newest}, the newest backup"
