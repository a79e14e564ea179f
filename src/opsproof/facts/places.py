"""Where the declared data of a host is, with symbolic links followed."""

from dataclasses import dataclass
from pathlib import PurePosixPath

from opsproof.core import scripts
from opsproof.facts.base import ShellFact
from opsproof.inventory.hosts import Host
from opsproof.transport.shell import Answer, Command, argv, labelled


@dataclass(frozen=True)
class Places:
    """The place of each path; a path in a folder closed to the login is taken as it is declared."""

    real: dict[str, str]
    gone: frozenset[str]

    def of(self, path: str) -> PurePosixPath:
        """The place of declared data."""
        return PurePosixPath(self.real.get(path, path))

    def of_archived(self, path: str) -> PurePosixPath:
        """The place that tar archives for a path: tar follows links in its folders, and not a link at its end."""
        declared = PurePosixPath(path)
        return self.of(str(declared.parent)) / declared.name


class DataPlaces(ShellFact[Places]):
    """The places of declared data, and of the folders of declared paths of backups."""

    def command(self, host: Host) -> Command:
        """facts/host/places.pl, as the login."""
        folders = {str(PurePosixPath(path).parent) for each in host.backups.values() for path in each.paths}
        return argv("perl", "-e", scripts.perl("facts/places"), "--", *sorted({*host.data, *folders}))

    def parse(self, answer: Answer, host: Host) -> Places:
        """The places by path."""
        found = labelled(answer.require("perl (places.pl)").stdout, "the list of places")
        pairs = (line.split(" ") for line in found.get("place", []))
        return Places({_text(path): _text(real) for path, real in pairs}, frozenset(map(_text, found.get("gone", []))))


def _text(digits: str) -> str:
    return bytes.fromhex(digits).decode(errors="surrogateescape")
