"""Databases whose backups are drilled in a throwaway cluster, by a user of the machine who owns nothing."""

import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lab import processes
from lab.layout import Layout
from lab.postgres import Server
from tests.conftest import REPOSITORY, Postgres
from tests.harness import isolation
from tests.restore.databases import Dumped

USER = "games"
"""A user of every Debian without processes and files."""
COMPLAINTS = [each for each in ("sudo", "unshare", "ldd") if shutil.which(each) is None]
needs_users = pytest.mark.skipif(bool(COMPLAINTS) or not isolation.possible(), reason="needs root, sudo and ldd")


@dataclass(frozen=True)
class Clustered(Dumped):
    """A database whose inventory declares drills in a cluster; `scratch` is the folder for drills."""

    scratch: Path = field(default_factory=Path)
    keys: dict[str, str] = field(default_factory=dict)
    transport: str = "local://"

    @property
    def inventory(self) -> Path:
        path = super().inventory
        programs = self.postgres.server._programs()
        keys = {"drill": "cluster", "drill_user": USER, "scratch": str(self.scratch), "programs": str(programs)}
        lines = "".join(f'{name} = "{value}"\n' for name, value in {**keys, **self.keys}.items())
        path.write_text(path.read_text().replace("local://", self.transport) + lines)
        return path

    def begin(self) -> "subprocess.Popen[bytes]":
        """Starts a drill."""
        where = [f"--inventory={self.inventory}", f"--reports={self.folder / 'reports'}", "--apply"]
        words = [sys.executable, str(REPOSITORY / "actions" / "restore_drill.py"), *where]
        null = subprocess.DEVNULL
        return subprocess.Popen(words, stdin=null, stdout=null, stderr=null, start_new_session=True)

    def leave(self) -> Path:
        """A folder as a killed drill leaves it."""
        path = self.scratch / "opsproof_drill_20250101T000000Z"
        path.mkdir(mode=0o700)
        (path / "opsproof.mark").write_text("")
        for each in (path, path / "opsproof.mark"):
            shutil.chown(each, USER, USER)
        return path

    def dumped(self) -> bytes:
        """The archive of the database as it is now."""
        server = self.postgres.server
        where = f"host=127.0.0.1 port={server.port} user={self.superuser} dbname={self.name}"
        words = [server._programs() / "pg_dump", "-Fc", "-Z0", "-d", where]
        plain = subprocess.run(
            words, env={"PGPASSWORD": self.postgres.password}, capture_output=True, check=True
        ).stdout
        return subprocess.run(["zstd", "-q", "-1"], input=plain, capture_output=True, check=True).stdout

    @property
    def remains(self) -> list[str]:
        """What drills have left: folders, and processes of their user."""
        return [each.name for each in self.scratch.iterdir()] + self.processes

    @property
    def processes(self) -> list[str]:
        """The processes of the drills' user, and commands on the folder for drills."""
        commands = {pid: processes.command(pid) for pid in processes.pids()}
        return [said for pid, said in commands.items() if owner_of(pid) == user_number() or str(self.scratch) in said]

    def path_of(self, pattern: str) -> Path | None:
        """The first file of a running drill's cluster with such a path."""
        return next(self.scratch.glob(f"*/cluster/data/{pattern}"), None)


def own_programs() -> Path:
    """The programs of the lab's own server, of PostgreSQL 18."""
    return Server(Layout(Path("/nonexistent")), 0)._programs()


def user_number() -> int:
    """The number of the drills' user."""
    return pwd.getpwnam(USER).pw_uid


def owner_of(pid: int) -> int:
    """The user of a process; -1 if the process has ended."""
    try:
        return Path(f"/proc/{pid}").stat().st_uid
    except OSError:
        return -1


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A folder for drills."""
    with scratch_folder() as place:
        yield place


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder for drills, of their user: pytest's own folders are closed to others."""
    with tempfile.TemporaryDirectory(prefix="drills-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        place = Path(folder) / "scratch"
        place.mkdir(mode=0o700)
        shutil.chown(place, USER, USER)
        yield place


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[None]:
    """A small file system of the drills' user at `folder`, only in the mount namespace of the tests."""
    words = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,uid={USER},mode=700", "drills", folder]
    subprocess.run(words, check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.fixture
def clustered(postgres_server: Postgres, tmp_path: Path, scratch: Path) -> Iterator[Clustered]:
    database = Clustered(postgres_server, tmp_path, scratch=scratch)
    yield database
    database.drop()
