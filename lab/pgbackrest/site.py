"""A cluster that archives to a local pgBackRest repository; both from Debian's packages."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from lab import processes
from lab.errors import LabError
from lab.layout import REPOSITORY
from lab.pgbackrest import history
from lab.settling import Settling
from lab.waiting import wait_until

VERSIONS = Path("/usr/lib/postgresql")
USUAL = "15"
"""The version of Debian 12 and of the committed inventory; if missing, the newest installed version is used."""
HOME = "/tmp/opsproof-pgbackrest"
"""The home in the committed inventory."""
OWNER = "postgres"
ROOM_BYTES = 2 * 10**9
DAY_S = 86400
STOPPING = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}
"""The signals that stop a server."""
_POSTGRES = """
listen_addresses = ''
port = {port}
unix_socket_directories = '{home}/socket'
archive_mode = on
archive_command = 'pgbackrest --config {home}/pgbackrest.conf --stanza metachat archive-push %p'
archive_timeout = 60
fsync = off
autovacuum = off
wal_recycle = off
wal_init_zero = off
min_wal_size = 32MB
"""
_PGBACKREST = """
[global]
repo1-path={home}/repo
repo1-retention-full=2
log-path={home}/log
log-level-file=off
lock-path={home}/lock
spool-path={home}/spool
archive-timeout=20
job-retry=0
compress-type=zst
start-fast=y

[metachat]
pg1-path={home}/data
pg1-socket-path={home}/socket
pg1-port={port}
pg1-user=postgres
"""
_DATA = """
CREATE EXTENSION amcheck;
CREATE ROLE opsproof_monitor LOGIN IN ROLE pg_monitor;
CREATE TABLE messages (id int PRIMARY KEY, at timestamptz DEFAULT now(), body text);
INSERT INTO messages (id, body) SELECT n, md5(n::text) || md5((-n)::text) FROM generate_series(1, 40000) n;
CREATE TABLE tenants AS SELECT n AS id FROM generate_series(1, 50) n;
"""


def programs() -> Path:
    """The folder of the server's programs."""
    found = sorted((int(each.parents[1].name), each.parent) for each in VERSIONS.glob("*/bin/initdb"))
    usual = VERSIONS / USUAL / "bin"
    return usual if (usual / "initdb").exists() or not found else found[-1][1]


def missing() -> str:
    """Names of missing programs; empty if all are installed."""
    wanted = {"pgbackrest": shutil.which("pgbackrest"), "postgresql": (programs() / "initdb").exists()}
    return ", ".join(name for name, found in wanted.items() if not found)


@dataclass
class Site:
    """A cluster, its repository and an inventory declaring both; `create` fills `home`."""

    port: int = 5432
    home: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="opsproof-", dir=_folder())))
    settling: Settling = field(default_factory=Settling)

    @property
    def owner(self) -> str:
        """The cluster's owner; empty for the current user. PostgreSQL refuses root."""
        return OWNER if os.geteuid() == 0 else ""

    @property
    def data(self) -> Path:
        """The data directory of the running cluster."""
        return self.home / "data"

    @property
    def repo(self) -> Path:
        """The repository."""
        return self.home / "repo"

    @property
    def reports(self) -> Path:
        """Reports of rounds and actions."""
        return self.home / "reports"

    def words(self, *words: object) -> list[str]:
        """A command to run as the owner."""
        sudo = ["sudo", "-n", "-u", self.owner, "--"] if self.owner else []
        return [*sudo, *map(str, words)]

    def run(self, *words: object) -> str:
        """Runs a command as the owner and returns the output; LabError on failure."""
        done = subprocess.run(
            self.words(*words), cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise LabError(f"{words[0]}: {(done.stderr or done.stdout).strip()}")
        return done.stdout

    def pgbackrest(self, *words: object) -> str:
        """Runs pgbackrest and returns the output."""
        return self.run("pgbackrest", "--config", self.home / "pgbackrest.conf", "--stanza", "metachat", *words)

    def sql(self, query: str, database: str = "metachat") -> str:
        """Runs a query with psql; returns unaligned output, with | between fields."""
        where = ("-h", self.home / "socket", "-p", self.port, "-U", "postgres", "-d", database)
        return self.run("psql", "-XAtqw", "-v", "ON_ERROR_STOP=1", *where, "-c", query).strip()

    def create(self) -> None:
        """Creates the cluster, the stanza and three backups, backdated to be about a day apart."""
        self.home.chmod(0o755)
        if self.owner:
            shutil.chown(self.home, self.owner)
        for name in ("socket", "log", "lock", "spool", "repo"):
            self.run("mkdir", "-m", "0750", self.home / name)
        (self.home / "socket").chmod(0o755)
        self._write(self.home / "pgbackrest.conf", _PGBACKREST)
        self.run(
            programs() / "initdb", "-D", self.data, "-A", "trust", "-U", "postgres", "--data-checksums", "--no-sync"
        )
        self._write(self.data / "postgresql.conf", _POSTGRES)
        self.start()
        self.pgbackrest("stanza-create")
        self.sql("CREATE DATABASE metachat", "postgres")
        self.sql(_DATA)
        self.back_up("full", "diff", "diff")
        history.set_ages(self.repo, [3 * DAY_S, 2 * DAY_S, 3600])

    def _write(self, path: Path, text: str) -> None:
        path.write_text(text.format(home=self.home, port=self.port))
        path.chmod(0o644)
        if self.owner:
            shutil.chown(path, self.owner)

    def back_up(self, *kinds: str) -> None:
        """Makes backups of the given types, with rows written before each."""
        for kind in kinds:
            for body in ("long", "shortly"):
                self.write(f"{body} before {kind}")
                self.archive()
            self.pgbackrest("--type", kind, "backup")

    def write(self, body: str) -> str:
        """Inserts a row; returns a timestamp after the commit, in PostgreSQL's format."""
        self.sql(f"INSERT INTO messages (id, body) SELECT max(id) + 1, '{body}' FROM messages")
        return self.sql("SELECT clock_timestamp()")

    def archive(self) -> Path:
        """Switches WAL and waits until the segment is archived; returns the archived file."""
        segment = self.sql("SELECT pg_walfile_name(pg_switch_wal())")
        files = f"archive/metachat/*/*/{segment}-*.zst"
        return wait_until(lambda: list(self.repo.glob(files)), f"{segment} is archived", every_s=0.02)[0]

    def start(self) -> None:
        """Starts the cluster; LabError on failure."""
        log = self.home / "log" / "postgresql.log"
        words = self.words(programs() / "pg_ctl", "-D", self.data, "-l", log, "-w", "start")
        if subprocess.run(words, cwd="/", capture_output=True, check=False).returncode:
            raise LabError(log.read_text()[-500:])

    def stop(self, mode: str = "immediate") -> None:
        """Stops every server under the home, restored clusters too; faster than pg_ctl, which polls."""
        for file in self.home.glob("data*/postmaster.pid"):
            pid = int(file.read_text().split()[0])
            if str(file.parent) in processes.command(pid):
                os.kill(pid, STOPPING[mode])
                wait_until(partial(_is_gone, pid), f"{file.parent} is stopped", 60, every_s=0.01)

    def save(self, name: str = "kept") -> None:
        """Saves the current state for `reset`."""
        self.stop("fast")
        self.run("mkdir", self.home / name)
        for path in (*self.home.glob("data*"), self.repo):
            self.run("cp", "-a", path, self.home / name)
        self.start()

    def reset(self, name: str = "kept") -> None:
        """Restores the saved state and discards all later changes."""
        self.stop()
        script = 'rm -rf -- "$1"/data* "$1"/repo && cp -a -- "$2"/* "$1"'
        self.run("sh", "-c", script, "sh", self.home, self.home / name)
        self.start()

    def remove(self) -> None:
        """Stops the servers and deletes the home."""
        self.stop()
        shutil.rmtree(self.home)

    def inventory(self, path: Path, more: str = "") -> Path:
        """Writes the committed inventory with the site's home; `more` is appended to the backup's keys."""
        text = (REPOSITORY / "inventory" / "lab-pgbackrest.toml").read_text()
        text = text.replace(str(VERSIONS / USUAL / "bin"), str(programs()))
        text = text.replace(HOME, str(self.home)).replace('extends = "', f'extends = "{REPOSITORY}/inventory/')
        if not self.owner:
            text = text.replace(f'run_as = "{OWNER}"\n', "").replace(f'"sudo", "-n", "-u", "{OWNER}", "--", ', "")
        path.write_text(text + more)
        return path

    def action(self, name: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Runs an action to its end."""
        return subprocess.run(
            self.action_words(name, *words), capture_output=True, text=True, timeout=120, check=False, cwd=REPOSITORY
        )

    def action_words(self, name: str, *words: str) -> list[str]:
        """The command line of an action."""
        inventory = self.home / "inventory.toml"
        if not inventory.exists():
            self.inventory(inventory)
        where = [f"--inventory={inventory}", f"--reports={self.reports}"]
        return [sys.executable, str(REPOSITORY / "actions" / f"{name}.py"), *where, *words]


def _is_gone(pid: int) -> bool:
    return not processes.is_alive(pid)


def _folder() -> str:
    """The parent of new homes: /dev/shm if large enough, since pgBackRest syncs each file to disk."""
    memory = Path("/dev/shm")
    return str(memory) if memory.is_dir() and shutil.disk_usage(memory).free > ROOM_BYTES else tempfile.gettempdir()
