"""Users who can delete or overwrite off-site copies, by owner, mode and attributes. Nothing is tried.

The owner of a folder or file may change its mode. In a folder with the sticky bit, only the owners of a file and of the
folder remove the file: https://man7.org/linux/man-pages/man1/chmod.1.html
"""

import stat
from dataclasses import dataclass

from opsproof.core.errors import OutputError

ROOT = 0


@dataclass(frozen=True)
class StoredEntry:
    """A folder or file; `is_writable`: by the login; `is_protected`: removed and overwritten by root alone."""

    mode: int
    uid: int
    group: str
    is_writable: bool
    is_protected: bool
    name: str


def parse(said: dict[str, list[str]]) -> list[str]:
    """The users, one a line, from the labelled output of backup_store/host/deleters.pl; empty if root alone can.

    Raises:
        OutputError: without files, nothing shows whether the login keeps them.
    """
    uid, _, user = said["me"][0].partition(" ")
    folder, *files = [_entry(line) for line in said["entry"]]
    open_files = [each for each in files if not each.is_protected]
    if int(uid) == ROOT:
        found = [f"the login {user} has all rights"]
    elif files and not open_files:
        found = []
    else:
        found = [f"the login {user}: {reason}" for reason in _of_login(int(uid), folder, open_files)[:1]]
    if not files or open_files:
        found += _of_others([folder, *open_files])
    if not files and not found:
        raise OutputError("no complete copy shows whether the login can delete its files")
    return found


def _entry(line: str) -> StoredEntry:
    mode, uid, group, writable, protected, name = line.split(" ", 5)
    return StoredEntry(int(mode, 8), int(uid), group, writable == "1", protected == "1", name)


def _is_sticky(entry: StoredEntry) -> bool:
    return bool(entry.mode & stat.S_ISVTX)


def _of_login(uid: int, folder: StoredEntry, files: list[StoredEntry]) -> list[str]:
    """Reasons why the login can delete or overwrite a file."""
    if folder.uid == uid:
        return ["owner of the folder"]
    if folder.is_writable and not _is_sticky(folder):
        return ["may write to the folder, which has no sticky bit"]
    owned = [f"owner of {each.name}" for each in files if each.uid == uid]
    return [*owned, *(f"may write to {each.name}" for each in files if each.is_writable)]


def _of_others(entries: list[StoredEntry]) -> list[str]:
    """Other users who may write to the folder or to a file."""
    plain = [each for each in entries if each.name != "." or not _is_sticky(each)]
    groups = {each.group: _place(each) for each in plain if each.mode & stat.S_IWGRP}
    found = [f"the group {group}: may write to {place}" for group, place in groups.items()]
    return found + [f"every user: may write to {_place(each)}" for each in plain if each.mode & stat.S_IWOTH][:1]


def _place(entry: StoredEntry) -> str:
    return "the folder" if entry.name == "." else entry.name
