"""Actions over the way that production has: ssh, a login with few rights, and a database's client in a container."""

import json
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import psycopg
import pytest

from lab.docker import DockerLab, backups, engine
from lab.docker.faults.steps import moved, recover, settle
from lab.docker.layout import APP, BACKUPS, ELSEWHERE, POSTGRES
from lab.fault import wait_until
from opsproof.backup import manifest
from tests.proving import ROOT

pytestmark = pytest.mark.docker
DRILL = f"{POSTGRES}-drill"
STUB = """\
#!/bin/sh
case "$*" in {pattern}) {script} ;; esac
exec /usr/bin/docker.aside "$@"
"""


@dataclass
class Site:
    """The docker lab as an operator sees it: actions by their command lines, databases, the API."""

    lab: DockerLab
    inventory: Path
    reports: Path

    def words(self, action, *more):
        where = [f"--inventory={self.inventory}", f"--reports={self.reports}"]
        return [sys.executable, str(ROOT / "actions" / f"{action}.py"), *where, *more]

    def run(self, action, *more):
        words = self.words(action, *more)
        return subprocess.run(
            words, capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL, cwd=ROOT
        )

    def apply(self, action, *more):
        """The next run, once the host is free: a command that goes on after its action keeps others out."""
        deadline = time.monotonic() + 60
        while (done := self.run(action, "--apply", *more)).returncode == 3 and "held by" in done.stderr:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        return done

    def begin(self, action):
        pipe = subprocess.PIPE
        return subprocess.Popen(self.words(action, "--apply"), stdout=pipe, stderr=pipe, text=True, cwd=ROOT)

    @property
    def journal(self):
        return [json.loads(line) for line in (self.reports / "journal.jsonl").read_text().splitlines()]

    @property
    def newest(self):
        return backups.newest(self.lab)

    def manifest(self, name):
        return manifest.read(self.lab.ops("cat", f"{BACKUPS}/{name}.manifest.json"))

    def flaws(self):
        """What is not as the manifests say of the two newest backups, and what is left over."""
        names = self.lab.root("ls", BACKUPS).split()
        whole = {
            f"{name}.{suffix}" for name in backups.sets(self.lab) for suffix in ("dump", "globals.sql", "manifest.json")
        }
        files = [file for name in backups.sets(self.lab)[-2:] for file in self.manifest(name).files.values()]
        sums = self.lab.root("env", "-C", BACKUPS, "sha256sum", *(file.name for file in files)).splitlines()
        said = [f"{file.sha256}  {file.name}" for file in files]
        return sorted(set(names) - whole), sorted(set(sums) - set(said))

    def sql(self, query, database="metachat"):
        return self.lab.root("psql", "-XAtq", "-U", "metachat", "-d", database, "-c", query, container=POSTGRES).strip()

    @property
    def beside(self):
        """The databases beside the live one, by what their names add to it."""
        rows = self.sql("SELECT datname FROM pg_database WHERE datname LIKE 'metachat\\_%'", "postgres").split()
        return sorted(each.removeprefix("metachat_") for each in rows)

    def clear(self):
        """Nothing stands beside the live database."""
        for name in self.beside:
            self.sql(f'DROP DATABASE "metachat_{name}" WITH (FORCE)', "postgres")

    def write(self):
        """A row that no backup has."""
        self.sql("DELETE FROM events WHERE id = 'after'")
        self.sql("INSERT INTO events VALUES ('after', 'ten00001', 'after the backup', '{}', now())")

    @property
    def serving(self):
        """Whether the data that serve are those that were written after the backup, or those of the backup."""
        try:
            with self.lab.connect("metachat_app") as connection:
                connection.execute("SET app.tenant_id = 'ten00001'")
                return "old" if connection.execute("SELECT FROM events WHERE id = 'after'").fetchone() else "new"
        except psycopg.OperationalError as error:
            return "closed" if "not currently accepting connections" in str(error) else str(error)

    def await_rest(self):
        """Until no command of an action runs on the server any more."""
        deadline = time.monotonic() + 60
        while "@opsproof-" in self.lab.root("cat", "/proc/net/unix"):
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def cut(self):
        """Every connection of the login breaks, and takes its processes along."""
        self.lab.root("sh", "-c", "pkill -KILL -u ops -x sshd || true")

    @contextmanager
    def docker(self, pattern, script):
        """A docker on the server that does `script` where its words match a `pattern`."""
        with moved(self.lab, "/usr/bin/docker"):
            stub = STUB.format(pattern=pattern, script=script)
            self.lab.root("sh", "-c", "cat > /usr/bin/docker; chmod 0755 /usr/bin/docker", text=stub)
            yield


@pytest.fixture(scope="module")
def lab(docker_lab):
    Site(docker_lab, Path(), Path()).clear()
    yield docker_lab
    recover(docker_lab)
    docker_lab.pm2("reset", "all")
    settle()


@pytest.fixture
def site(lab, tmp_path):
    return Site(lab, lab.inventory(tmp_path / "lab.toml"), tmp_path / "reports")


@pytest.fixture
def forgetting(site):
    """Backups made meanwhile go afterwards."""
    before = set(backups.sets(site.lab))
    yield
    for name in set(backups.sets(site.lab)) - before:
        site.lab.root("sh", "-c", f"rm -f {BACKUPS}/{name}.* {ELSEWHERE}/{name}.*")


@pytest.fixture
def put_back(site):
    """What a restore left beside the live database goes afterwards."""
    site.write()
    yield
    recover(site.lab)
    site.clear()
    site.sql("DELETE FROM events WHERE id = 'after'")


@pytest.mark.usefixtures("forgetting")
def test_a_backup_is_compressed_by_pg_dump_itself_and_copied_to_another_machine(site):
    done = site.run("backup", "--apply")
    assert (done.returncode, done.stderr) == (0, "")
    said = site.manifest(site.newest)
    assert said.tools["compression"] == "zstd"
    assert said.tables["public", "chunks"] == 20000
    assert site.flaws() == ([], [])
    modes = site.lab.root("sh", "-c", f"stat -c '%a %U' {BACKUPS}/{site.newest}.* {ELSEWHERE}/{site.newest}.*")
    assert set(modes.splitlines()) == {"600 ops", "600 vault"}
    sums = f"{ELSEWHERE}/{site.newest}.sha256"
    assert "FAILED" not in site.lab.root("sh", "-c", f"cd {ELSEWHERE} && sha256sum --check {sums}")
    kept = "".join(path.read_text() for path in site.reports.iterdir()) + done.stdout
    assert [each for each in site.lab.secrets if each in kept] == []


def test_an_older_client_is_refused_before_anything_is_written(site):
    before = backups.sets(site.lab)
    with site.docker('*"pg_dump --version"', "echo 'pg_dump (PostgreSQL) 16.10'; exit 0"):
        done = site.run("backup", "--apply")
    assert done.returncode == 3
    assert "the client is pg_dump (PostgreSQL) 16.10, and the server 17: an older client cannot dump it" in done.stderr
    assert (backups.sets(site.lab), site.flaws()) == (before, ([], []))


def test_an_archive_whose_end_docker_lost_is_none(site):
    before = backups.sets(site.lab)
    with site.docker("*--format=custom*--snapshot*", '/usr/bin/docker.aside "$@" | head -c 9000000; exit 0'):
        done = site.run("backup", "--apply")
    assert done.returncode == 4
    assert "the end of the archive was lost on the way out of the container" in done.stderr
    assert (backups.sets(site.lab), site.flaws()) == (before, ([], []))


def test_without_its_right_a_backup_is_unknown_and_not_made(site):
    with moved(site.lab, "/etc/sudoers.d/opsproof-backup"):
        done = site.run("backup", "--apply")
    assert done.returncode == 6
    assert "sudo" in done.stderr


def test_a_backup_is_verified_and_a_flipped_bit_is_found(site):
    assert site.run("verify_backup", "--apply").returncode == 0
    path = f"{BACKUPS}/{site.newest}.dump"
    content = site.lab.root("sh", "-c", f"cp -a {path} /run/kept; sha256sum {path}")
    assert sha256(b"").hexdigest() not in content
    site.lab.root("sh", "-c", f"printf x | dd of={path} bs=1 seek=9000000 conv=notrunc status=none")
    done = site.run("verify_backup", "--apply")
    site.lab.root("sh", "-c", f"cat /run/kept > {path}")
    assert done.returncode == 5
    assert f"{site.newest}.dump is not what it was" in done.stderr


def test_a_drill_restores_into_a_container_of_its_own_roles_and_all(site):
    done = site.run("restore_drill", "--apply")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"with its roles in {DRILL}, a container of opsproof-lab/postgres:17 without network" in done.stdout
    (entry,) = site.journal
    assert (entry["outcome"], entry["measured"]["set"]) == ("done", site.newest)
    assert 0 < entry["measured"]["restore_s"] < 60
    assert "not_checked" not in entry["measured"]
    assert engine.containers([DRILL]) == {}
    assert site.beside == []


@pytest.mark.parametrize("kill", ["controller", "line"])
def test_a_drill_that_was_killed_is_swept_by_the_next(site, kill):
    process = site.begin("restore_drill")
    wait_until(lambda: engine.containers([DRILL]), "a container for the drill", 60)
    process.kill() if kill == "controller" else site.cut()
    process.communicate(timeout=60)
    site.await_rest()
    if kill == "controller":
        (left,) = engine.containers([DRILL]).values()
        assert (left["HostConfig"]["NetworkMode"], left["HostConfig"]["CapDrop"]) == ("none", ["ALL"])
        assert (left["HostConfig"]["Binds"], left["Mounts"], left["Config"]["User"]) == (None, [], "postgres")
    done = site.apply("restore_drill")
    assert (done.returncode, done.stderr) == (0, "")
    assert engine.containers([DRILL]) == {}


def test_a_drill_finds_roles_that_cannot_be_restored(site, tmp_path):
    source = site.newest
    text = site.lab.ops("cat", f"{BACKUPS}/{source}.globals.sql")
    broken = text.replace("CREATE ROLE metachat_app;", "CREATE ROLE metachat_app IN ROLE nobody;")
    said = site.lab.ops("cat", f"{BACKUPS}/{source}.manifest.json")
    said = said.replace(sha256(text.encode()).hexdigest(), sha256(broken.encode()).hexdigest())
    folder = "/home/ops/copy"
    site.lab.ops("sh", "-c", f"mkdir {folder} && cp {BACKUPS}/{source}.dump {folder}")
    try:
        for name, content in (("globals.sql", broken), ("manifest.json", backups.sealed(said))):
            site.lab.ops("sh", "-c", f"cat > {folder}/{source}.{name}", text=content)
        done = site.run("restore_drill", "--apply", f"--from={folder}")
    finally:
        site.lab.root("rm", "-r", folder)
    assert done.returncode == 5
    assert f'{source}.globals.sql cannot be restored: role "nobody" does not exist' in done.stderr
    assert engine.containers([DRILL]) == {}


def test_a_drill_beside_the_database_that_serves_takes_no_memory_from_it(site):
    site.inventory.write_text(site.inventory.read_text().replace('drill = "container"', ""))
    with site.docker("*--exit-on-error*", 'echo "$*" > /run/args'):
        done = site.run("restore_drill", "--apply")
    assert "maintenance_work_mem=64MB" in site.lab.root("cat", "/run/args")  # its container has 512 MB
    assert (done.returncode, done.stderr) == (0, "")
    assert "as metachat_drill_20" in done.stdout
    assert site.beside == []


@pytest.mark.usefixtures("put_back")
def test_a_restore_takes_the_place_of_the_database_and_the_platform_is_healthy(site):
    done = site.run("restore", "--apply")
    assert (done.returncode, done.stderr) == (0, "")
    assert "lost are 1 rows (events 1)" in done.stdout
    assert site.serving == "new"
    assert [name.partition("_")[0] for name in site.beside] == ["before"]
    assert site.run("restore", "--apply", "--drop-old").returncode == 0
    assert site.beside == []


def test_logs_are_rotated_and_cleaned_as_the_applications_owner(site):
    before = site.lab.root("ls", f"{APP}/logs").split()
    site.lab.traffic()
    assert site.run("rotate_logs", "--apply").returncode == 0
    made = sorted(set(site.lab.root("ls", f"{APP}/logs").split()) - set(before))
    assert [name.partition("__")[0] for name in made] == ["api-out", "worker-out"]
    assert all(name.endswith(".log.gz") for name in made)
    old = f"{APP}/logs/{made[0].replace('20', '19', 1)}"
    site.lab.deploy("sh", "-c", f"echo | gzip > {old} && touch --date='8 days ago' {old}")
    assert site.run("clean_logs", "--apply").returncode == 0
    assert set(site.lab.root("ls", f"{APP}/logs").split()) == {*before, *made}


@pytest.mark.usefixtures("forgetting")
@pytest.mark.parametrize(("what", "after_s"), [("controller", 0.4), ("line", 0.2), ("line", 0.8)])
def test_a_backup_that_is_cut_short_costs_no_older_one_and_hinders_no_later_one(site, what, after_s):
    kept = backups.sets(site.lab)
    process = site.begin("backup")
    assert "plan of" in process.stdout.readline()
    time.sleep(after_s)
    process.kill() if what == "controller" else site.cut()
    said = process.communicate(timeout=60)[1]
    assert process.returncode in (-9, 0, 4, 5, 6), said
    site.await_rest()
    assert set(kept) <= set(backups.sets(site.lab))
    assert site.flaws()[1] == []
    done = site.apply("backup")
    assert (done.returncode, done.stderr) == (0, "")
    assert site.flaws() == ([], [])


@pytest.mark.usefixtures("put_back")
@pytest.mark.parametrize(("what", "after_s"), [("controller", 0.3), ("line", 0.1), ("line", 0.4)])
def test_a_restore_that_is_cut_short_within_the_swap_leaves_one_of_both_serving(site, what, after_s):
    process = site.begin("restore")
    assert any(line.startswith("  2. done") for line in process.stdout)
    time.sleep(after_s)
    process.kill() if what == "controller" else site.cut()
    said = process.communicate(timeout=60)[1]
    assert process.returncode in (-9, 0, 4, 5, 6), said
    site.await_rest()
    assert site.serving in ("old", "new", "closed")
    done = site.apply("restore")
    assert (done.returncode, done.stderr) == (0, "")
    assert site.serving == "new"
    recover(site.lab)
    assert {name.partition("_")[0] for name in site.beside} <= {"before"}
