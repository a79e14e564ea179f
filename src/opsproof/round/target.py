"""The object of a command below a finding, and the words of a shell's command line."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from opsproof.inventory.backups import Backup
from opsproof.inventory.endpoints import Endpoint
from opsproof.inventory.hosts import Host
from opsproof.inventory.logs import Log
from opsproof.inventory.resources import Database, Resource
from opsproof.round import copies

_OF_DATABASES = {"exists", "partitions", "psql", "server"}


@dataclass(frozen=True)
class Target:
    """A host, and the resource that a command is about, by its name and as declared."""

    host: Host
    name: str
    about: Resource | None

    @property
    def database(self) -> Database:
        """The database, or the database of an object or a backup."""
        if isinstance(self.about, Database):
            return self.about
        assert self.about is not None, "a psql command needs a database"
        return self.host.databases[self.about.database]  # type: ignore[attr-defined]

    @property
    def backup(self) -> Backup:
        """The backup."""
        assert isinstance(self.about, Backup), "the command needs a backup"
        return self.about

    @property
    def log(self) -> Log:
        """The log."""
        assert isinstance(self.about, Log), "the command needs a log"
        return self.about

    def place(self, words: Sequence[str]) -> str:
        """The words in front of the command: none for a database that is reached from here."""
        host = self.host_of(words)
        return f"on {host}: " if host else ""

    def host_of(self, words: Sequence[str]) -> str:
        """The host to run the command on; empty for a database that is reached from here."""
        if words[0] in _OF_DATABASES and self.database.reach == "direct" and not self.database.container:
            return ""
        if isinstance(self.about, Endpoint) and self.about.is_outside:
            return ""
        if words[0] == "copies" and copies.apart(self.backup):
            return ""
        return self.host.name


def join(words: Sequence[str]) -> str:
    """The words as shell text."""
    return " ".join(map(quoted, words))


def quoted(word: str) -> str:
    """The word for a shell; a statement with apostrophes in double quotes, which a person can read."""
    return f'"{word}"' if "'" in word and not re.search(r'["$`\\!]', word) else shlex.quote(word)


def as_user(host: Host, user: str) -> list[str]:
    """The words of sudo for another user than the login user."""
    login = re.match(r"(?:docker|\w+)://(?:(\w+)@)?", host.transport)
    is_login = user == "root" and (host.transport.startswith("docker://") or bool(login and login[1] == "root"))
    if not user or is_login:
        return []
    return ["sudo", *(() if user == "root" else ("-u", user))]
