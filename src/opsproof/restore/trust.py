"""Which code of an archive a load runs, with whose rights, and whether that needs --trust-code.

Loading an archive runs functions of the backed-up database: in checks, index expressions, generated columns, operators.
A role without rights, `load_user`, loads archives whose code can reach nothing but the code's own objects.
"""

import json
import shlex
import sys
from dataclasses import dataclass

from opsproof.action import Work
from opsproof.core import scripts
from opsproof.core.errors import OutputError, Refused
from opsproof.core.installation import rights_command
from opsproof.restore.archive import DumpArchive
from opsproof.restore.server import RestoreClient, RestoreServer
from opsproof.transport.shell import argv


@dataclass(frozen=True)
class ArchiveCode:
    """What the table of contents of an archive tells about code; roles and objects by name.

    `roles` are the roles without which the load fails. `code` has the functions that a load runs: function, owner, and
    a definition with the function. `superuser` has objects that only a superuser can make, `unexpected` entries with
    other statements than pg_dump writes.
    """

    owners: tuple[str, ...]
    code: tuple[tuple[str, str, str], ...]
    superuser: tuple[str, ...]
    unexpected: tuple[str, ...]
    roles: tuple[str, ...]

    @property
    def lines(self) -> list[str]:
        """A line for each function that a load runs."""
        return [f"{function}, for {owner}, in {definition}" for function, owner, definition in self.code]


def read(work: Work, archive: DumpArchive) -> ArchiveCode:
    """The code in an archive on the host.

    Raises:
        MeasurementError: the table of contents cannot be read.
    """
    program = scripts.perl("restore/toc", "restore/judge")
    (answer,) = work.ask(argv("perl", "-e", program, "--", archive.path, archive.unpack, timeout_s=60))
    try:
        found = json.loads(answer.require("the archive's table of contents").stdout)
        code = tuple((str(function), str(owner), str(where)) for function, owner, where in found["code"])
        names = (tuple(found[each]) for each in ("superuser", "unexpected", "roles"))
        return ArchiveCode(tuple(found["owners"]), code, *names)
    except (ValueError, TypeError, KeyError) as error:
        raise OutputError(f"invalid output of judge.pl: {error}") from error


@dataclass(frozen=True)
class Trust:
    """Who loads an archive, and the reasons why that needs --trust-code."""

    client: RestoreClient
    server: RestoreServer
    code: ArchiveCode

    @property
    def by_loader(self) -> bool:
        """Whether `load_user` loads the archive; otherwise the superuser."""
        return bool(self.client.backup.load_user) and not self.code.superuser and not self.code.unexpected

    @property
    def runs(self) -> list[str]:
        """Lines of the plan: the code, and the role that runs the code during the load."""
        role = self.client.backup.load_user if self.by_loader else f"superuser {self.client.user}"
        return [f"the load runs, as {role}: {each}" for each in self.code.lines]

    @property
    def reasons(self) -> list[str]:
        """Why loading needs --trust-code; empty if the code of the archive gains no rights."""
        code, user = self.code, self.client.user
        if not self.client.backup.load_user:
            foreign = {owner for _, owner, _ in code.code} - set(self.server.superusers)
            return (
                [f"code of {', '.join(sorted(foreign))} would run as superuser {user}: set load_user"]
                if foreign
                else []
            )
        reasons = [f"statements differ from those of pg_dump: {', '.join(code.unexpected)}"] if code.unexpected else []
        if code.superuser:
            reasons.append(f"only a superuser can load {', '.join(code.superuser)}")
        return [*reasons, *self._gained()]

    def _gained(self) -> list[str]:
        """The rights of other owners or of a superuser, which code gains although `load_user` loads."""
        if not self.code.code:
            return []
        if len(self.code.owners) > 1:
            return [f"each owner's code gets the rights of all owners: {', '.join(self.code.owners)}"]
        return [
            f"the code's owner {each} is a superuser" for each in self.code.owners if each in self.server.superusers
        ]

    def require(self, *, allowed: bool) -> None:
        """Requires that the code of the archive gains no rights, or else `allowed`.

        Raises:
            Refused: the reasons, the code, and the command to go on.
        """
        if allowed or not self.reasons:
            return
        shown = "".join(f"\n  {each}" for each in self.runs)
        command = shlex.join([sys.argv[0], *sys.argv[1:], "--trust-code"])
        raise Refused(f"{'; '.join(self.reasons)}; to trust the code of the archive: {command}{shown}\n")


def require_loader(client: RestoreClient, server: RestoreServer) -> None:
    """Requires that the declared `load_user`, if any, exists and has no rights.

    Raises:
        Refused: the role is missing, or has rights.
    """
    loader = client.backup.load_user
    if loader and server.loader_rights is None:
        raise Refused(f"load_user {loader} does not exist: run the SQL of {rights_command('load.sql')}")
    if loader and server.loader_rights:
        raise Refused(f"load_user {loader} must have no rights, but has {server.loader_rights}: revoke them")
