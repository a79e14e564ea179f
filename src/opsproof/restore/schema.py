"""Comparison of the definitions in a restored database with those in its archive.

PostgreSQL prints the same definition differently after a reload: `s IN ('a', 'b')` on a varchar, `a BETWEEN 1 AND 5`.
Definitions that differ are compared again with a reload of the archive's definitions into an empty database.
"""

import json
from dataclasses import dataclass

from opsproof.core import scripts
from opsproof.core.errors import OutputError
from opsproof.restore.archive import DumpArchive
from opsproof.restore.server import RestoreClient
from opsproof.transport.shell import Answer, Command, argv

_SECRET = ("SERVER", "SUBSCRIPTION", "USER MAPPING")
"""Definitions that may hold a password."""


@dataclass(frozen=True)
class SchemaDifference:
    """A definition in the archive and in the restored database; None if missing."""

    kind: str
    name: str
    expected: str | None
    found: str | None

    @property
    def title(self) -> str:
        """Kind and name of the object."""
        return f"{self.kind.lower()} {self.name.removeprefix('-.')}"

    def __str__(self) -> str:
        """The title, and the parts of both texts that differ."""
        if self.kind in _SECRET:
            return f"{self.title} differs (definition not shown)"
        if self.found is None:
            return f"{self.title} is missing: {_line(self.expected)}"
        if self.expected is None:
            return f"{self.title} is not in the archive: {_line(self.found)}"
        expected, found = _differing(self.expected.splitlines(), self.found.splitlines())
        return f"{self.title}: {_line(found)} (expected {_line(expected)})"


def _line(text: str | None) -> str:
    return " ".join((text or "").split()) or "nothing"


def _differing(expected: list[str], found: list[str]) -> tuple[str, str]:
    """The lines between the first and the last difference."""
    while expected and found and expected[0] == found[0]:
        del expected[0], found[0]
    while expected and found and expected[-1] == found[-1]:
        del expected[-1], found[-1]
    return "\n".join(expected), "\n".join(found)


def command(
    client: RestoreClient, archive: DumpArchive, restored: str, scratch: str = "", *, loaded: bool = False
) -> Command:
    """The command that compares the archive with a database; both databases are given by connection strings.

    `loaded` tells whether `scratch` has the definitions of the archive already.
    """
    words = (archive.path, archive.unpack, restored, scratch, str(int(loaded)), *client.entrance)
    program = ("perl", "-e", scripts.perl("restore/schema_diff"), "--", *words)
    return argv(*program, timeout_s=client.backup.timeout)


def parse(answer: Answer) -> list[str]:
    """A sentence for each difference printed by `command`.

    Raises:
        MeasurementError: a program failed, or the output is not valid.
    """
    try:
        *lines, last = map(json.loads, answer.require("the comparison of definitions").stdout.splitlines())
        found = [str(SchemaDifference(*each)) for each in lines]
        count = dict([last])["end"]
    except (ValueError, TypeError, KeyError) as error:
        raise OutputError(f"invalid output of schema_diff.pl: {error}") from error
    return [*found, *([f"{count - len(found)} more definitions differ"] if count > len(found) else [])]
