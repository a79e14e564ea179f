"""A file of rights, and its installation."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PrivilegeFile:
    """A file for `target`, a path or a database; `install` are lines of shell for root, in the folder of the file."""

    name: str
    content: str
    install: tuple[str, ...] = ()
    target: str = ""
