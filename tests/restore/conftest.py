"""A live lab with few rows, a backup made by actions/backup.py, and ways to damage a copy of the backup."""

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest
import requests

from lab import Lab, backups, lock, ports, processes
from lab.layout import DEFAULT_HOME
from lab.pm2 import APPS, MODULE
from lab.waiting import wait_until
from opsproof.core import scripts
from tests.harness.few import keep_few, spare_disk

ROOT = Path(__file__).parents[2]
OLD, NEW = "old", "new"
STARTERS = (f"{ROOT}/actions/restore", scripts.perl("transport/gather").partition("\n")[0])
"""Parts of the command lines of an action, and of the program that runs an action's commands on the host."""


@dataclass
class Place:
    """The lab as an operator sees it: actions by their command lines, databases, the API."""

    lab: Lab
    folder: Path
    path: Path
    transport: str = "local://"

    @property
    def inventory(self):
        path = self.folder / f"{self.transport.partition('://')[0]}.toml"
        text = backups.without_files(self.lab.inventory(path).read_text())
        text = text.replace("local://", self.transport)
        text = text.replace(f'path = ["{self.lab.layout.bin}"]', f'path = ["{self.path}", "{self.lab.layout.bin}"]')
        path.write_text(re.sub(r"off_site = .*", "", text))
        return path

    def words(self, action, *more):
        where = [f"--inventory={self.inventory}", f"--reports={self.folder / 'reports'}"]
        return [sys.executable, str(ROOT / "actions" / f"{action}.py"), *where, *map(str, more)]

    def run(self, action, *more):
        return subprocess.run(
            self.words(action, *more),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def begin(self, action, *more):
        pipe = subprocess.PIPE
        return subprocess.Popen(
            self.words(action, "--apply", *more), stdout=pipe, stderr=pipe, text=True, start_new_session=True
        )

    @property
    def journal(self):
        return [json.loads(line) for line in (self.folder / "reports" / "journal.jsonl").read_text().splitlines()]

    @property
    def backups(self):
        return self.lab.home / "backups"

    def connect(self, database="metachat"):
        password = self.lab._credentials().passwords["metachat"]
        return self.lab._server.connect("metachat", password, database)

    def sql(self, query, database="metachat"):
        with self.connect(database) as connection:
            cursor = connection.execute(query)
            return cursor.fetchall() if cursor.description else []

    @property
    def databases(self):
        """The databases beside metachat, without the prefix metachat_."""
        rows = self.sql("SELECT datname FROM pg_database WHERE datname LIKE 'metachat\\_%' ORDER BY 1", "postgres")
        return [name.removeprefix("metachat_") for (name,) in rows]

    @property
    def serving(self):
        """OLD if the live database has the row written after the backup, NEW if restored from the backup."""
        with self.lab.connect("metachat_app") as connection:
            connection.execute("SET app.tenant_id = 'ten00001'")
            (count,) = connection.execute("SELECT count(*) FROM events WHERE type = 'after the backup'").fetchone()
        return OLD if count else NEW

    def write(self):
        """Writes a row that the backup lacks."""
        self.sql("DELETE FROM events WHERE type = 'after the backup'")
        self.sql("""INSERT INTO events VALUES ('after', 'ten00001', 'after the backup', '{}', now())""")

    def is_healthy(self, path="/health"):
        with suppress(requests.RequestException, ValueError):
            answer = requests.get(self.lab.url + path, headers={"X-Forwarded-Proto": "https"}, timeout=2)
            return answer.json()["status"] == "healthy"
        return False

    def becomes_healthy(self):
        """Waits until the platform is healthy."""
        return wait_until(self.is_healthy, "the platform is healthy")

    def clear(self):
        """Drops all databases beside metachat, and repairs the lab."""
        self.lab.faults()
        wait_until(lambda: not self.is_held(), "the commands of actions end")
        if not self.works():
            self.lab.up()
        for name in self.databases:
            self.sql(f'DROP DATABASE "metachat_{name}" WITH (FORCE)', "postgres")

    def works(self):
        """Whether all PM2 processes run and the platform is healthy; the pm2 command is too slow for this check."""
        pids = self.lab._pm2._children()
        names = [pair for pid in pids for pair in processes.environment(pid) if pair.startswith("name=")]
        running = sorted(names) == sorted(f"name={each}" for each in (*APPS, MODULE))
        return running and all(map(processes.makes_progress, [*pids, *self.lab._pm2.daemons()])) and self.is_healthy()

    @property
    def at_work(self):
        """The number of restore sessions: the server completes a running statement after the client is gone."""
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'opsproof_restore'"
        return self.sql(query, "postgres")[0][0]

    def is_held(self):
        """Whether a command of an action runs or is about to start: the starter outlives a killed action."""
        running = [processes.command(pid) for pid in processes.pids()]
        mine = [line for line in running if str(ROOT) in line and any(each in line for each in STARTERS)]
        return bool(mine) or "@opsproof-" in Path("/proc/net/unix").read_text()


@pytest.fixture(scope="session")
def small_lab():
    home = DEFAULT_HOME / "restore"
    with lock.held(home / "session.lock"):
        Lab(home).down()
        live = Lab(home, ports.free(), ports.free())
        (live._server.data / "lab.json").unlink(missing_ok=True)  # resets the data
        live.up()
        with live.connect() as connection:
            spare_disk(connection)
            connection.execute("DELETE FROM events WHERE type = 'after the backup'")
            keep_few(connection)
        for path in (live.home / "backups").glob("*"):
            path.unlink()
        (live.home / "backups").mkdir(mode=0o700, exist_ok=True)
        yield live
        live.down()


@pytest.fixture(scope="session")
def safe_client(tmp_path_factory, small_lab):
    """A folder with a pg_restore that reports a version without CVE-2026-116314."""
    folder = tmp_path_factory.mktemp("safe")
    script = folder / "pg_restore"
    real = small_lab.layout.bin / "pg_restore"
    script.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && exec echo "pg_restore (PostgreSQL) 18.7"\nexec {real} "$@"\n'
    )
    script.chmod(0o755)
    return folder


@pytest.fixture(scope="session")
def backed_up(small_lab, tmp_path_factory):
    """The name of a backup of the lab."""
    place = Place(small_lab, tmp_path_factory.mktemp("backing"), small_lab.layout.bin)
    done = place.run("backup", "--apply")
    assert done.returncode == 0, done.stderr
    (path,) = place.backups.glob("*.manifest.json")
    return path.name.removesuffix(".manifest.json")


@pytest.fixture
def place(small_lab, backed_up, tmp_path):
    place = Place(small_lab, tmp_path, small_lab.layout.bin)
    place.write()
    yield place
    place.clear()


@dataclass
class Copied:
    """A copy of the backup, for tests to damage."""

    folder: Path
    name: str

    @property
    def dump(self):
        return next(self.folder.glob("*.dump*"))

    @property
    def manifest(self):
        return self.folder / f"{self.name}.manifest.json"

    def replace_dump(self, place, *options):
        """Replaces the dump with a new dump of the current database, without the row written after the backup."""
        place.sql("DELETE FROM events WHERE type = 'after the backup'")
        where = f"host=127.0.0.1 port={place.lab.postgres_port} user=metachat dbname=metachat"
        words = [place.lab.layout.bin / "pg_dump", "-Fc", "-Z0", *options, "-d", where]
        environment = {**os.environ, "PGPASSFILE": str(place.lab.layout.secrets / "pgpass-metachat")}
        plain = subprocess.run(words, env=environment, capture_output=True, check=True).stdout
        self.dump.write_bytes(subprocess.run(["zstd", "-q", "-1"], input=plain, capture_output=True, check=True).stdout)
        self.seal()
        place.write()

    def edit(self, old, new):
        """Replaces text in the dump's table of contents with text of the same length."""
        plain = subprocess.run(["zstd", "-dc"], input=self.dump.read_bytes(), capture_output=True, check=True).stdout
        assert (plain.count(old), len(new)) == (1, len(old))
        edited = subprocess.run(["zstd", "-q"], input=plain.replace(old, new), capture_output=True, check=True)
        self.dump.write_bytes(edited.stdout)
        self.seal()

    def seal(self, **files):
        """Updates the manifest to match the damaged dump, checksums included."""
        text = self.manifest.read_text()
        head = text[: text.rindex(',\n"checksum"')]
        content = self.dump.read_bytes()
        dump = json.loads(text)["files"]["dump"]
        head = head.replace(dump["sha256"], sha256(content).hexdigest()).replace(
            f'"bytes": {dump["bytes"]}', f'"bytes": {len(content)}'
        )
        self.manifest.write_text(head + ',\n"checksum": "' + sha256(head.encode()).hexdigest() + '"}\n')


@pytest.fixture
def copied(place, backed_up, tmp_path):
    folder = tmp_path / "copy"
    folder.mkdir()
    for path in place.backups.glob(f"{backed_up}.*"):
        (folder / path.name).write_bytes(path.read_bytes())
    return Copied(folder, backed_up)


def ended(pid):
    """Kills a process and all descendants; stops them first, so that no new children start meanwhile."""
    found = {pid}
    os.kill(pid, signal.SIGSTOP)
    while more := processes.descendants(found) - found:
        for each in more:
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGSTOP)
        found |= more
    for each in found:
        with suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)


@pytest.fixture
def kill():
    return ended
