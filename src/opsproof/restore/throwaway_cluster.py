"""A drill's throwaway cluster on the host, run by a user of its own without network.

Code of the archive runs there as superuser: the cluster is trusted with nothing. Before the comparison all processes
end, and the server starts again with settings of opsproof alone; PostgreSQL's own catalogs must then be as in a new
cluster, because replaced functions could answer in their place.
"""

import re
import time
from dataclasses import dataclass, field

from opsproof.action import Work
from opsproof.action.room import MARGIN, require_room
from opsproof.core import scripts
from opsproof.core.errors import StepFailed
from opsproof.restore import roles
from opsproof.restore.archive import DumpArchive
from opsproof.restore.base import STAMP
from opsproof.restore.copy import RestoredDatabase, RestoreMachine, available_mb
from opsproof.restore.sandbox import INSIDE, Sandbox, SandboxClient
from opsproof.restore.server import RestoreClient, RestoreServer
from opsproof.transport.shell import argv

LEAST_MEMORY_BYTES = 2 * 2**30
SLACK_BYTES = WAL_BYTES = 2**30
EMPTY_BYTES = 100 * 2**20
DISK_SHARE = 0.05
"""A drill ends when the disk has less free space than this share, or when it took three times its need and a GB."""
_DATA = f"{INSIDE}/data"
_SERVE = """
umask 077
if [ ! -e "$0/PG_VERSION" ]; then
    initdb --pgdata="$0" --username="$1" --auth=trust --encoding=UTF8 --locale=C --data-checksums --no-sync >/dev/null
fi
rm -f -- "$0/postgresql.conf" "$0/postgresql.auto.conf" "$0/pg_hba.conf" "$0/log"
echo 'local all all trust' > "$0/pg_hba.conf"
cat > "$0/postgresql.conf"
pg_ctl start --wait --silent --pgdata="$0" --log="$0/log" || { tail -n 1 "$0/log" >&2; exit 1; }
"""
_SETTINGS = f"""\
listen_addresses = ''
unix_socket_directories = '{INSIDE}'
max_connections = 30
fsync = off
full_page_writes = off
wal_level = minimal
max_wal_senders = 0
max_wal_size = 1GB
autovacuum = off
lc_messages = 'C'
"""
"""Settings without durability and without a port."""
_DIGEST = re.compile(r"([0-9a-f]{64})  -\n")


@dataclass
class ThrowawayCluster:
    """A temporary cluster of the backup's major version; `client` runs programs in its namespaces."""

    work: Work
    client: SandboxClient
    machine: RestoreMachine
    floor_bytes: int
    isolated: bool = True
    _catalogs: str = field(default="", init=False)

    @property
    def sandbox(self) -> Sandbox:
        """The namespaces of the cluster."""
        return self.client.sandbox

    def where(self, copy: RestoredDatabase) -> str:
        """Folder, version and user of the cluster, with expected size and free space."""
        about = f"PostgreSQL {self.sandbox.major} from {self.sandbox.programs}, as {self.sandbox.backup.drill_user}"
        return f"and roles in {self.sandbox.path}, a cluster without network ({about}): {copy.estimate}"

    def made(self, copy: RestoredDatabase) -> str:
        """The folder of the cluster."""
        del copy
        return self.sandbox.path

    def left(self) -> list[str]:
        """The folders of drills.

        Raises:
            Refused: sudo or the folder denies access.
            MeasurementError: the folder cannot be read.
        """
        return list(self.sandbox.host(self.work).left)

    def prepare(self) -> None:
        """Makes the namespaces, then creates and starts a cluster inside.

        Raises:
            StepFailed: a command failed; the folder is removed.
        """
        try:
            self.work.do(self.sandbox.begin(self.floor_bytes, self._lasts_s), "sandbox.pl begin")
            self._serve()
            self._catalogs = self._digest("template1")
        except StepFailed:
            self.drop([self.sandbox.path])
            raise

    @property
    def _lasts_s(self) -> int:
        """Lifetime of the cluster: the timeout of the restore, and of the comparison."""
        return int(2 * self.sandbox.backup.timeout)

    def _serve(self) -> None:
        serve = self.client.program("sh", "-ec", _SERVE, _DATA, self.client.user).argv
        fed = ("sh", "-c", 'printf %s "$0" | "$@"', _SETTINGS)
        self.work.do(argv(*fed, *serve, timeout_s=120), "initdb")

    def settle(self, database: str) -> None:
        """Ends all processes of loaded code, starts the server again, and compares the catalogs with new ones.

        Raises:
            StepFailed: the server does not start, or a catalog of PostgreSQL differs.
        """
        stop = self.client.program("pg_ctl", "stop", "--silent", "--mode=fast", f"--pgdata={_DATA}", timeout_s=90)
        self.work.attempt(stop)
        self.work.do(self.sandbox.settle(), "sandbox.pl settle")
        self._serve()
        if self._digest(database) != self._catalogs:
            raise StepFailed("code of the archive changed PostgreSQL's own catalogs: nothing can be compared")

    def _digest(self, database: str) -> str:
        words = (
            "perl",
            "-e",
            scripts.perl("restore/catalogs"),
            "--",
            self.client.conninfo(database, options=self.machine.server.quiet),
        )
        printed = self.work.do(self.client.program(*words), "reading the catalogs").stdout
        found = _DIGEST.fullmatch(printed)
        if found is None:
            raise StepFailed("reading the catalogs gave no checksum")
        return found[1]

    def restore_roles(self, archive: DumpArchive) -> None:
        """Restores the roles of the archive, without passwords.

        Raises:
            StepFailed: checksum mismatch, or a statement failed.
        """
        roles.restore(self.work, self.client, archive)

    def drop(self, names: list[str]) -> None:
        """Ends clusters and removes their folders.

        Raises:
            StepFailed: a folder may still exist.
        """
        for name in names:
            self.work.do(self.sandbox.remove(name), "sandbox.pl remove")


def place(work: Work, client: RestoreClient, archive: DumpArchive) -> ThrowawayCluster:
    """The cluster for a drill of `archive`, which has a manifest.

    Raises:
        Refused: the host lacks the user, the programs, the folder or the namespaces.
        MeasurementError: the host cannot be read.
    """
    assert archive.manifest is not None
    path = f"{client.backup.scratch}/opsproof_drill_{time.strftime(STAMP, time.gmtime())}"
    login, nproc, memory = work.ask(argv("id", "-u"), argv("nproc"), argv("cat", "/proc/meminfo"))
    memory_mb = available_mb(memory)
    major = int(archive.manifest.server["version_num"]) // 10000
    sandbox = Sandbox(client.backup, major, path, max(LEAST_MEMORY_BYTES, memory_mb << 20))
    host = sandbox.host(work)
    sandbox.require(host, int(login.require("id").stdout))
    superuser = archive.manifest.server.get("bootstrap") or client.user
    backup = client.backup.model_copy(update={"user": superuser, "restore_user": superuser, "load_user": ""})
    processors = int(nproc.require("nproc").stdout)
    machine = _machine(client.live, major, processors, memory_mb, host.free_bytes)
    least, needed = DISK_SHARE * host.total_bytes, _needed(archive)
    require_room(client.backup.scratch, host.free_bytes - least, needed)
    floor = int(max(least, host.free_bytes - 3 * needed - SLACK_BYTES))
    return ThrowawayCluster(work, SandboxClient(client.host, backup, sandbox=sandbox), machine, floor)


def _needed(archive: DumpArchive) -> float:
    """The bytes for the database, the archive, WAL and an empty cluster."""
    assert archive.manifest is not None
    size = archive.manifest.server["bytes"]
    return float(MARGIN * size + archive.size_bytes + min(size, WAL_BYTES) + EMPTY_BYTES)


def _machine(live: str, major: int, processors: int, memory_mb: int, free_bytes: int) -> RestoreMachine:
    """The resources for a new, empty cluster."""
    server = RestoreServer(
        live, superuser=True, version_num=major * 10000, folder="/", prepared=0, at_work=0, databases={}
    )
    return RestoreMachine(processors, memory_mb, "", True, server, free_bytes, free_bytes)
