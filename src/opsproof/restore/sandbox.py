"""Private namespaces on the host for a throwaway cluster: no network, no processes and no files of the host.

All commands run as the drill user, who needs no right but a folder of its own. Whatever programs print in the
namespaces comes from code of the archive: it is data, never trusted.
"""

import re
from dataclasses import dataclass

from opsproof.action import Work
from opsproof.core import scripts
from opsproof.core.errors import OutputError, Refused
from opsproof.core.installation import rights_command
from opsproof.inventory.backups import Backup
from opsproof.restore.server import RestoreClient
from opsproof.transport.shell import Answer, Command, argv, labelled

INSIDE = "/cluster"
"""The folder of the cluster and of its socket, as seen in the namespaces."""
SHOWN = 200
_OF_OTHERS = 0o77
_VERSION = re.compile(r"postgres \(PostgreSQL\) (\d+)")


@dataclass(frozen=True)
class SandboxHost:
    """What a drill finds on the host: the drill user, the server's programs, the folder, earlier drills.

    `isolation` is the reason why the kernel makes no namespaces; empty if it does.
    """

    uid: int
    groups: int
    version: str
    missing: str
    owner: int
    mode: int
    free_bytes: int
    total_bytes: int
    isolation: str
    left: tuple[str, ...]


def parse(answer: Answer) -> SandboxHost:
    """The state described by the output of `sandbox.pl look`.

    Raises:
        OutputError: the output is incomplete.
    """
    lines = labelled(answer.stdout, "the state of the folder for drills")
    try:
        uid, groups = lines["account"][0].split(" ")
        owner, mode, free, total = lines["folder"][0].split(" ")
        return SandboxHost(
            uid=int(uid),
            groups=int(groups),
            version=lines["version"][0],
            missing=lines["missing"][0],
            owner=int(owner),
            mode=int(mode, 8),
            free_bytes=int(free),
            total_bytes=int(total),
            isolation=lines["isolated"][0],
            left=tuple(lines.get("left", [])),
        )
    except (ValueError, LookupError) as error:
        raise OutputError(f"the state of the folder for drills is incomplete: {error}") from error


@dataclass(frozen=True)
class Sandbox:
    """Commands on the folder `path` of one drill; `memory_bytes` limits each process in the namespaces."""

    backup: Backup
    major: int
    path: str
    memory_bytes: int

    @property
    def programs(self) -> str:
        """The folder of the server's programs."""
        return self.backup.programs or f"/usr/lib/postgresql/{self.major}/bin"

    def command(self, *words: str, timeout_s: float = 60.0) -> Command:
        """A verb of sandbox.pl with arguments, run by the drill user."""
        program = ("perl", "-e", scripts.perl("restore/sandbox"), "--", *words)
        return argv(*program, timeout_s=timeout_s, user=self.backup.drill_user)

    def look(self) -> Command:
        """The command whose output `parse` reads."""
        return self.command("look", self.backup.scratch, self.programs)

    def begin(self, floor_bytes: int, lasts_s: int) -> Command:
        """Makes folder and namespaces, which end after `lasts_s`, or with less than `floor_bytes` on the disk."""
        limits = (str(floor_bytes), str(self.memory_bytes), str(lasts_s))
        return self.command("begin", self.path, self.programs, *limits)

    @property
    def entrance(self) -> tuple[str, ...]:
        """The words in front of a command that runs in the namespaces."""
        return self.command("run", self.path, self.programs, str(self.memory_bytes)).words()

    def settle(self) -> Command:
        """Ends all processes in the namespaces."""
        return self.command("settle", self.path)

    def remove(self, path: str) -> Command:
        """Ends the drill in the folder `path`, and removes the folder."""
        return self.command("remove", path, timeout_s=600)

    def host(self, work: Work) -> SandboxHost:
        """The present state of the host.

        Raises:
            Refused: sudo or the folder denies access.
            MeasurementError: the host did not answer, or the answer is incomplete.
        """
        (answer,) = work.ask(self.look())
        if answer.flag == "-" and answer.status:
            first = answer.stderr.strip().partition("\n")[0][:SHOWN]
            rights = rights_command("opsproof-drill-cluster.sudoers")
            raise Refused(f"drill_user {self.backup.drill_user}: {first}: install the file of {rights}")
        return parse(answer.require("sandbox.pl"))

    def require(self, host: SandboxHost, login: int) -> None:
        """Refuses a drill that cannot run apart; `login` is the number of the user who logs in.

        Raises:
            Refused: the reason, and what to do.
        """
        user, folder = self.backup.drill_user, self.backup.scratch
        found = _VERSION.match(host.version)
        if host.uid in (0, login):
            raise Refused(f"drill_user {user} is root or the login user: create a user for drills")
        if host.groups:
            raise Refused(f"drill_user {user} is a member of {host.groups} further groups: leave only its own group")
        if host.owner != host.uid or host.mode & _OF_OTHERS:
            raise Refused(f"{folder} is open to further users: chown {user} {folder} and chmod 700 {folder}")
        if found is None:
            raise Refused(f"no PostgreSQL {self.major} on the host: {host.version}: install the server's package")
        if int(found[1]) != self.major:
            raise Refused(f"{self.programs} has PostgreSQL {found[1]} (the backup is from {self.major}): set programs")
        if host.missing:
            raise Refused(f"{self.programs} lacks {host.missing}: install the client's package too")
        if host.isolation:
            raise Refused(f"{user} cannot create namespaces: {host.isolation}: permit user namespaces with sysctl")


@dataclass(frozen=True, kw_only=True)
class SandboxClient(RestoreClient):
    """Client programs that run in the namespaces, as the superuser of the cluster there."""

    sandbox: Sandbox

    @property
    def container(self) -> str:
        """The folder of the drill: archives are staged there as in a container."""
        return self.sandbox.path

    @property
    def entrance(self) -> tuple[str, ...]:
        """The words in front of a client program."""
        return self.sandbox.entrance

    def conninfo(self, database: str, **more: str) -> str:
        """The connection string of a database, over the socket in the namespaces."""
        return super().conninfo(database, host=INSIDE, port="5432", **more)

    def inspection(self) -> tuple[Command, ...]:
        """No command: there is no container."""
        return ()
