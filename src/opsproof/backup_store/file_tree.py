"""The files that a backup of engine files is about: how to list them on the host, as a user who may read them."""

from collections.abc import Sequence
from dataclasses import dataclass

from opsproof.core import scripts
from opsproof.inventory.backups import Backup
from opsproof.inventory.hosts import Host
from opsproof.transport.shell import Answer, Command, argv, labelled

LIST_TIMEOUT_S = 600.0


@dataclass(frozen=True)
class FileTree:
    """Numbers about the declared paths; `lacking` and `skipped` name some entries, with the reason."""

    files: int
    size_bytes: int
    lacking: tuple[str, ...]
    skipped: tuple[str, ...]


def user(host: Host, backup: Backup) -> str:
    """The user who reads and writes the declared paths; empty for the login user."""
    return backup.run_as or host.run_as


def borrowed(host: Host, backup: Backup) -> tuple[str, ...]:
    """The prefix of a command for execution as `user`."""
    name = user(host, backup)
    return ("sudo", "-n", "-u", name, "--") if name else ()


def reader() -> str:
    """The program that lists and archives files."""
    return scripts.perl("backup_store/octal", "backup_store/tree")


def scope(backup: Backup) -> tuple[str, ...]:
    """The arguments of `reader` for the declared paths and the patterns of excluded paths."""
    return (str(len(backup.paths)), *backup.paths, *backup.exclude)


def summary_command(host: Host, backup: Backup) -> Command:
    """The command whose answer `parse` turns into a `FileTree`."""
    words = ("perl", "-e", reader(), "--", "summary", *scope(backup))
    return argv(*words, timeout_s=LIST_TIMEOUT_S, user=user(host, backup))


def parse(answer: Answer) -> FileTree:
    """The tree described by the answer to `summary_command`.

    Raises:
        MeasurementError: the files cannot be listed.
    """
    said = labelled(answer.require("listing the files").stdout, "the list of files")
    ((files, size),) = (line.split(" ") for line in said["number"])
    return FileTree(int(files), int(size), _sentences(said.get("lacking", [])), _sentences(said.get("skipped", [])))


def _sentences(lines: Sequence[str]) -> tuple[str, ...]:
    return tuple(line.replace(" ", ": ", 1) for line in lines)
