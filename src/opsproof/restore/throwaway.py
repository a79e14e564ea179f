"""Where a drill restores: beside the database that serves, or in a container that is thrown away.

The container is of the same image as the database's, has no network, no volume and no rights; in it a new, empty
server is made, as it would have to be after the loss of the old one, so that the roles are restored too. It is called
`CONTAINER-drill`, and ends by itself within a day, if nobody removes it before.
"""

import re
from dataclasses import dataclass
from typing import Protocol

from opsproof.action import Work
from opsproof.core import scripts
from opsproof.core.errors import Refused, StepFailed
from opsproof.restore.archive import DumpArchive, require_sum
from opsproof.restore.copy import HAS_PERL, RestoredDatabase, RestoreMachine, available_mb, drop_all
from opsproof.restore.copy import machine as on_server
from opsproof.restore.server import RestoreClient, RestoreServer
from opsproof.transport.shell import Answer, argv

SUFFIX = "-drill"
LASTS_S = 86400
"""After so many seconds a container ends by itself; Docker then removes it."""
FREE = ("df", "--block-size=1", "--output=avail", "--", "/")
"""What tells the room that Docker has for containers, asked in the database's own."""
_FOLDER = "/tmp/opsproof.drill"  # noqa: S108  # of a container where nobody else is
_SERVE = """
umask 077
initdb --pgdata="$0" --username="$1" --auth=trust --encoding=UTF8 --locale=C --data-checksums --no-sync >/dev/null
cat > "$0/opsproof.conf"
echo "include 'opsproof.conf'" >> "$0/postgresql.conf"
pg_ctl start --wait --silent --pgdata="$0" --log="$0/log" || { tail -n 1 "$0/log" >&2; exit 1; }
"""
_SETTINGS = """\
listen_addresses = ''
fsync = off
full_page_writes = off
wal_level = minimal
max_wal_senders = 0
max_wal_size = 4GB
autovacuum = off
lc_messages = 'C'
"""
"""A server that nobody needs again; a crash of the machine takes it along anyway."""
_GONE = re.compile(r"no such container", re.IGNORECASE)
_ERROR = re.compile(r"^psql:.*?: (?:ERROR|FATAL): +(.*)$", re.MULTILINE)


def starting(name: str, image: str) -> tuple[str, ...]:
    """Docker's words for a container that has nothing but its image; the sudoers file has them to the letter."""
    bare = ("--network", "none", "--user", "postgres", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
    return (
        "run",
        "--pull",
        "never",
        "--detach",
        "--rm",
        "--name",
        name,
        *bare,
        "--entrypoint",
        "sleep",
        image,
        str(LASTS_S),
    )


class DrillPlace(Protocol):
    """Where a drill restores: with what client, and on what machine."""

    client: RestoreClient
    machine: RestoreMachine

    def where(self, copy: RestoredDatabase) -> str:
        """What the plan says of it."""

    def made(self, copy: RestoredDatabase) -> str:
        """What must be dropped after the drill."""

    def left(self) -> list[str]:
        """What drills have left there."""

    def begin(self) -> None:
        """Makes it ready."""

    def fill(self, archive: DumpArchive) -> None:
        """Restores there what a database needs of its server."""

    def drop(self, names: list[str]) -> None:
        """Takes away what was made there."""


@dataclass
class ServingServer:
    """The server of the database that serves: what is restored stands beside it."""

    work: Work
    client: RestoreClient
    machine: RestoreMachine

    def where(self, copy: RestoredDatabase) -> str:
        """As which database, and how much room there is."""
        return f"as {copy.name}: {copy.outlook}"

    def made(self, copy: RestoredDatabase) -> str:
        """The database."""
        return copy.name

    def left(self) -> list[str]:
        """The databases of drills.

        Raises:
            MeasurementError: the server does not tell.
        """
        return [each.name for each in on_server(self.work, self.client).server.beside("drill")]

    def begin(self) -> None:
        """There is nothing to be made ready."""

    def fill(self, archive: DumpArchive) -> None:
        """The server has its roles."""

    def drop(self, names: list[str]) -> None:
        """Drops databases.

        Raises:
            StepFailed: one of them may still be there.
        """
        drop_all(self.work, self.client, names)


@dataclass
class Throwaway:
    """A container of the image `image` with an empty server in it; `client` has the programs in there."""

    work: Work
    client: RestoreClient
    machine: RestoreMachine
    image: str

    @property
    def name(self) -> str:
        """What the container is called."""
        return self.client.container

    def where(self, copy: RestoredDatabase) -> str:
        """In which container, and how much room there is."""
        return f"with its roles in {self.name}, a container of {self.image} without network: {copy.outlook}"

    def made(self, copy: RestoredDatabase) -> str:
        """The container, with all that is in it."""
        del copy
        return self.name

    def left(self) -> list[str]:
        """The container, where there is one, whether it runs or not.

        Raises:
            CommandError: Docker does not tell.
        """
        (answer,) = self.work.ask(self.client.program("true"))
        if answer.status and _GONE.search(answer.stderr):
            return []
        if "is not running" not in answer.stderr:
            answer.require("docker exec")
        return [self.name]

    def begin(self) -> None:
        """Starts the container, and makes a server in it.

        Raises:
            StepFailed: that did not work; nothing of it is left, as far as can be told.
        """
        self._docker(*starting(self.name, self.image))
        serve = self.client.program("sh", "-ec", _SERVE, _FOLDER, self.client.user).argv
        try:
            self.work.do(argv("sh", "-c", 'printf %s "$0" | "$@"', _SETTINGS, *serve, timeout_s=120), "initdb")
        except StepFailed:
            self.drop([self.name])
            raise

    def drop(self, names: list[str]) -> None:
        """Removes containers with all that is in them.

        Raises:
            StepFailed: one of them may still be there.
        """
        for name in names:
            self._docker("rm", "--force", "--volumes", name)

    def _docker(self, *words: str) -> None:
        command = argv("docker", *words, user=self.work.host.docker_as)
        self.work.do(argv(*command.words(), timeout_s=120), f"docker {words[0]}")

    def fill(self, archive: DumpArchive) -> None:
        """Restores roles, their memberships and settings; one of them the server was made with.

        Raises:
            StepFailed: they are not there whole.
        """
        assert archive.manifest is not None
        roles, path = archive.manifest.globals, archive.roles
        require_sum(self.work, path, roles.sha256, 120)
        psql = self.client.program("psql", "-Xq", "-d", self.client.conninfo("postgres"), "-f", "-").argv
        said = self.work.do(
            argv("perl", "-e", scripts.perl("restore/feed"), "--", path, "", "", "", *psql, timeout_s=120), "psql"
        ).stderr
        wrong = [each for each in _ERROR.findall(said) if each != f'role "{self.client.user}" already exists']
        if wrong:
            raise StepFailed(f"{roles.name} cannot be restored: {wrong[0]}")


def place(work: Work, client: RestoreClient, archive: DumpArchive) -> DrillPlace:
    """Where a drill restores `archive`, as the inventory declares it.

    Raises:
        MeasurementError: the server, or Docker, does not tell what must be known of it.
        Refused: no roles belong to the archive.
    """
    if client.backup.drill == "database":
        return ServingServer(work, client, on_server(work, client))
    if archive.manifest is None:
        raise Refused(
            f'{archive.name} has no manifest, and so no roles for an empty server: drill = "database" takes it'
        )
    questions = (argv("nproc"), argv("cat", "/proc/meminfo"), client.program(*FREE), client.program(*HAS_PERL))
    inspected, *measured = work.ask(*client.inspection(), *questions)
    image = client.inspected(inspected).image
    superuser = archive.manifest.server.get("bootstrap") or client.user
    return Throwaway(work, _inside(client, superuser), _expected(client.live, *measured), image)


def _expected(live: str, nproc: Answer, memory: Answer, room: Answer, perl: Answer) -> RestoreMachine:
    """The machine with the server that will be made: an empty one of our own, where Docker keeps containers."""
    free_bytes = int(room.require("df").stdout.split()[-1])
    return RestoreMachine(
        processors=int(nproc.require("nproc").stdout),
        memory_mb=available_mb(memory),
        version="",
        perl=perl.stdout == "1",
        server=RestoreServer(live, superuser=True, version_num=0, folder="/", prepared=0, at_work=0, databases={}),
        free_bytes=free_bytes,
        staging_bytes=free_bytes,
    )


def _inside(client: RestoreClient, superuser: str) -> RestoreClient:
    """The same programs in the container that is thrown away, as the role that its server is made with."""
    name = client.backup.database
    database = client.host.databases[name].model_copy(update={"container": f"{client.container}{SUFFIX}"})
    host = client.host.model_copy(update={"databases": {**client.host.databases, name: database}})
    return RestoreClient(host, client.backup.model_copy(update={"user": superuser, "restore_user": superuser}))
