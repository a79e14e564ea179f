"""The place of a drill: the live server, a temporary container, or a temporary cluster.

The container `CONTAINER-drill` runs the image of the database's container, without network, volumes and capabilities.
A drill makes a new, empty server there, as after the loss of the old server, and so restores the roles too. A container
that is not removed exits within a day.
"""

import re
from dataclasses import dataclass
from typing import Protocol

from opsproof.action import Work
from opsproof.core.errors import Refused, StepFailed
from opsproof.restore import roles, throwaway_cluster
from opsproof.restore.archive import DumpArchive
from opsproof.restore.copy import HAS_PERL, RestoredDatabase, RestoreMachine, available_mb, drop_all
from opsproof.restore.copy import machine as on_server
from opsproof.restore.server import Kind, RestoreClient, RestoreServer
from opsproof.transport.shell import Answer, argv

LEFT: tuple[Kind, ...] = ("drill", "comparing")
"""The databases that a drill makes."""
SUFFIX = "-drill"
LASTS_S = 86400
"""Lifetime of a drill container in seconds; Docker then removes the container."""
FREE = ("df", "--block-size=1", "--output=avail", "--", "/")
"""Prints the free bytes of Docker's storage, when run in the database's container."""
_FOLDER = "/tmp/opsproof.drill"  # noqa: S108  # in a container without other users
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
"""Settings without durability: a crash of the machine ends the container anyway."""
_GONE = re.compile(r"no such container", re.IGNORECASE)


def starting(name: str, image: str) -> tuple[str, ...]:
    """The docker arguments that start an isolated container; the sudoers file repeats them literally."""
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
    """The place where a drill restores, with client programs and resources."""

    machine: RestoreMachine
    isolated: bool
    """Whether code of the archive can reach nothing of value."""

    @property
    def client(self) -> RestoreClient:
        """The client programs of the place."""

    def where(self, copy: RestoredDatabase) -> str:
        """Where the drill restores to, as words for the plan."""

    def made(self, copy: RestoredDatabase) -> str:
        """The name of the database or container to drop after the drill."""

    def left(self) -> list[str]:
        """Names of databases or containers left by earlier drills."""

    def prepare(self) -> None:
        """Makes the place ready for a restore."""

    def restore_roles(self, archive: DumpArchive) -> None:
        """Restores the roles of the archive."""

    def settle(self, database: str) -> None:
        """Makes the place ready for the comparison of a restored database."""

    def drop(self, names: list[str]) -> None:
        """Drops databases, or removes containers or clusters of drills."""


@dataclass
class ServingServer:
    """The live server: the restored database stands beside the live database."""

    work: Work
    client: RestoreClient
    machine: RestoreMachine
    isolated: bool = False

    def where(self, copy: RestoredDatabase) -> str:
        """The name of the new database, with expected size and free space."""
        return f"as {copy.name}: {copy.estimate}"

    def made(self, copy: RestoredDatabase) -> str:
        """The name of the new database."""
        return copy.name

    def left(self) -> list[str]:
        """The databases left by earlier drills.

        Raises:
            MeasurementError: the databases cannot be listed.
        """
        server = on_server(self.work, self.client).server
        return [each.name for kind in LEFT for each in server.beside(kind)]

    def prepare(self) -> None:
        """Does nothing: the server already runs."""

    def restore_roles(self, archive: DumpArchive) -> None:
        """Does nothing: the server already has the roles."""

    def settle(self, database: str) -> None:
        """Does nothing."""

    def drop(self, names: list[str]) -> None:
        """Drops databases.

        Raises:
            StepFailed: a database may still exist.
        """
        drop_all(self.work, self.client, self.machine.server, names)


@dataclass
class Throwaway:
    """A temporary container of `image` with an empty server; `client` runs programs in the container."""

    work: Work
    client: RestoreClient
    machine: RestoreMachine
    image: str
    isolated: bool = True

    @property
    def name(self) -> str:
        """The name of the container."""
        return self.client.container

    def where(self, copy: RestoredDatabase) -> str:
        """The name and image of the container, with expected size and free space."""
        return f"and roles in {self.name}, a container of {self.image} without network: {copy.estimate}"

    def made(self, copy: RestoredDatabase) -> str:
        """The name of the container."""
        del copy
        return self.name

    def left(self) -> list[str]:
        """The container, running or not; empty without a container.

        Raises:
            CommandError: docker exec failed for another reason.
        """
        (answer,) = self.work.ask(self.client.program("true"))
        if answer.status and _GONE.search(answer.stderr):
            return []
        if "is not running" not in answer.stderr:
            answer.require("docker exec")
        return [self.name]

    def prepare(self) -> None:
        """Starts the container, then creates and starts a server inside.

        Raises:
            StepFailed: a command failed; a started container is removed.
        """
        self._docker(*starting(self.name, self.image))
        serve = self.client.program("sh", "-ec", _SERVE, _FOLDER, self.client.user).argv
        try:
            self.work.do(argv("sh", "-c", 'printf %s "$0" | "$@"', _SETTINGS, *serve, timeout_s=120), "initdb")
        except StepFailed:
            self.drop([self.name])
            raise

    def drop(self, names: list[str]) -> None:
        """Removes containers with their volumes.

        Raises:
            StepFailed: a container may still exist.
        """
        for name in names:
            self._docker("rm", "--force", "--volumes", name)

    def _docker(self, *words: str) -> None:
        command = argv("docker", *words, user=self.work.host.docker_as)
        self.work.do(argv(*command.words(), timeout_s=120), f"docker {words[0]}")

    def restore_roles(self, archive: DumpArchive) -> None:
        """Restores the roles of the archive, without passwords.

        Raises:
            StepFailed: checksum mismatch, or a statement failed.
        """
        roles.restore(self.work, self.client, archive)

    def settle(self, database: str) -> None:
        """Does nothing."""


def place(work: Work, client: RestoreClient, archive: DumpArchive) -> DrillPlace:
    """The place where a drill restores `archive`, by the inventory's `drill` key.

    Raises:
        MeasurementError: the server or Docker cannot be read.
        Refused: an empty server needs roles, and the archive has no manifest; or the host lacks a part of a cluster.
    """
    if client.backup.drill == "database":
        return ServingServer(work, client, on_server(work, client))
    if archive.manifest is None:
        raise Refused(f'{archive.name} has no manifest, and so no roles for an empty server: set drill = "database"')
    if client.backup.drill == "cluster":
        return throwaway_cluster.place(work, client, archive)
    queries = (argv("nproc"), argv("cat", "/proc/meminfo"), client.program(*FREE), client.program(*HAS_PERL))
    inspected, *measured = work.ask(*client.inspection(), *queries)
    image = client.inspected(inspected).image
    superuser = archive.manifest.server.get("bootstrap") or client.user
    return Throwaway(work, _inside(client, superuser), _expected(client.live, *measured), image)


def _expected(live: str, nproc: Answer, memory: Answer, room: Answer, perl: Answer) -> RestoreMachine:
    """The resources for a new, empty server in Docker's storage."""
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
    """The client for the temporary container, as the bootstrap superuser of the new server."""
    name = client.backup.database
    database = client.host.databases[name].model_copy(update={"container": f"{client.container}{SUFFIX}"})
    host = client.host.model_copy(update={"databases": {**client.host.databases, name: database}})
    roles = {"user": superuser, "restore_user": superuser, "load_user": ""}
    return RestoreClient(host, client.backup.model_copy(update=roles))
