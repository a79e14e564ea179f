"""Actions as in production: over ssh, with a login with few rights, and database clients in a container."""

import json
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path

import psycopg
import pytest

from lab.docker import DockerLab, backups, engine
from lab.docker.faults.steps import POLL_S, moved, recover, settle
from lab.docker.layout import APP, BACKUPS, ELSEWHERE, POSTGRES
from lab.waiting import wait_until
from opsproof.backup_store import manifest
from tests.harness import extent
from tests.proving import ROOT

pytestmark = pytest.mark.docker
MILESTONES = {"backup": "plan of", "restore": "  2. done"}
"""Printed by an action when its work begins; by a restore, when the swap begins."""
TRIES = 20
LASTS_S = {"backup": 1.0, "restore": 0.5}
"""Estimated seconds from milestone to end, updated by complete runs."""
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
        """Runs an action as soon as the host is free: commands outliving their action still hold the lock."""
        return wait_until(lambda: self._run_unless_locked(action, *more), f"the host is free for {action}", 60)

    def _run_unless_locked(self, action, *more):
        done = self.run(action, "--apply", *more)
        return None if done.returncode == 3 and "held by" in done.stderr else done

    def begin(self, action):
        pipe = subprocess.PIPE
        return subprocess.Popen(self.words(action, "--apply"), stdout=pipe, stderr=pipe, text=True, cwd=ROOT)

    def from_milestone(self, action):
        """Starts an action; returns the process after its milestone, and the output so far."""
        process, printed = self.begin(action), ""
        for line in process.stdout:
            printed += line
            if line.startswith(MILESTONES[action]):
                return process, printed
        raise AssertionError(process.communicate()[1])

    def whole(self, action):
        """Runs an action to its end and returns the output; its duration sets the time of interruptions."""
        process, printed = self.from_milestone(action)
        began = time.monotonic()
        stdout, stderr = process.communicate(timeout=120)
        LASTS_S[action] = time.monotonic() - began
        assert (process.returncode, stderr) == (0, "")
        return printed + stdout

    def interrupt(self, action, what, share, reset=lambda: None):
        """Kills a running action's controller, or its connections; starts another action if the first ended before."""
        for _ in range(TRIES):
            process, _ = self.from_milestone(action)
            time.sleep(share * LASTS_S[action])
            if process.poll() is None:
                break
            LASTS_S[action] *= 0.8
            reset()
        else:
            raise AssertionError(f"{action}: all {TRIES} attempts came too late: {process.communicate(timeout=60)[1]}")
        process.kill() if what == "controller" else self.kill_connections()
        said = process.communicate(timeout=60)[1]
        assert process.returncode in (-9, 0, 4, 5, 6), said
        self.await_commands()

    @property
    def journal(self):
        return [json.loads(line) for line in (self.reports / "journal.jsonl").read_text().splitlines()]

    @property
    def newest(self):
        return backups.newest(self.lab)

    def manifest(self, name):
        return manifest.read(self.lab.ops("cat", f"{BACKUPS}/{name}.manifest.json"))

    def flaws(self):
        """Leftover files, and files of the two newest backups with a checksum mismatch."""
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
    def other_databases(self):
        """Suffixes of the databases beside the live database."""
        rows = self.sql("SELECT datname FROM pg_database WHERE datname LIKE 'metachat\\_%'", "postgres").split()
        return sorted(each.removeprefix("metachat_") for each in rows)

    def drop_other_databases(self):
        """Drops all databases beside the live database."""
        for name in self.other_databases:
            self.sql(f'DROP DATABASE "metachat_{name}" WITH (FORCE)', "postgres")

    def insert_new_row(self):
        """Inserts a row that is in no backup."""
        self.sql("DELETE FROM events WHERE id = 'after'")
        self.sql("INSERT INTO events VALUES ('after', 'ten00001', 'after the backup', '{}', now())")

    def reset(self):
        """Resets the state before a restore."""
        self.drop_other_databases()
        self.insert_new_row()

    @property
    def serving(self):
        """The serving data: "old" (with the row written after the backup), "new" (restored), "closed", or an error."""
        try:
            with self.lab.connect("metachat_app") as connection:
                connection.execute("SET app.tenant_id = 'ten00001'")
                return "old" if connection.execute("SELECT FROM events WHERE id = 'after'").fetchone() else "new"
        except psycopg.OperationalError as error:
            return "closed" if "not currently accepting connections" in str(error) else str(error)

    def await_commands(self):
        """Waits until no action's command runs on the server."""
        wait_until(self._no_command_runs, "the commands of actions end", 60, every_s=POLL_S)

    def _no_command_runs(self):
        return "@opsproof-" not in self.lab.root("cat", "/proc/net/unix")

    @property
    def drill_container(self):
        """The id of the drill's container; None if missing."""
        return next((each["Id"] for each in engine.containers([DRILL]).values()), None)

    def start_drill(self):
        """Starts a drill once the host is free; returns the process after the container is created."""
        return wait_until(partial(self._start_drill, self.drill_container), "a drill creates its container", 60)

    def _start_drill(self, before):
        process = self.begin("restore_drill")
        while process.poll() is None:
            if self.drill_container not in (None, before):
                return process
            time.sleep(POLL_S)
        said = process.communicate()[1]
        assert "held by" in said, said
        return None

    def kill_connections(self):
        """Kills all ssh connections of the login, with their processes."""
        self.lab.root("sh", "-c", "pkill -KILL -u ops -x sshd || true")

    @contextmanager
    def stub_docker(self, pattern, script):
        """Replaces the server's docker by a stub: runs `script` if the arguments match `pattern`."""
        with moved(self.lab, "/usr/bin/docker"):
            stub = STUB.format(pattern=pattern, script=script)
            self.lab.root("sh", "-c", "cat > /usr/bin/docker; chmod 0755 /usr/bin/docker", text=stub)
            yield


@pytest.fixture(scope="module")
def lab(docker_lab):
    Site(docker_lab, Path(), Path()).drop_other_databases()
    yield docker_lab
    recover(docker_lab)
    docker_lab.pm2("reset", "all")
    settle(docker_lab)


@pytest.fixture
def site(lab, tmp_path):
    return Site(lab, lab.inventory(tmp_path / "lab.toml"), tmp_path / "reports")


@pytest.fixture
def delete_new_backups(site):
    """Deletes backups made during the test."""
    before = set(backups.sets(site.lab))
    yield
    for name in set(backups.sets(site.lab)) - before:
        site.lab.root("sh", "-c", f"rm -f {BACKUPS}/{name}.* {ELSEWHERE}/{name}.*")


@pytest.fixture
def drop_restored(site):
    """Drops databases left by a restore beside the live database."""
    site.insert_new_row()
    yield
    recover(site.lab)
    site.drop_other_databases()
    site.sql("DELETE FROM events WHERE id = 'after'")


@pytest.mark.usefixtures("delete_new_backups")
def test_backup_is_compressed_by_pg_dump_and_copied_off_site(site):
    printed = site.whole("backup")
    said = site.manifest(site.newest)
    assert said.tools["compression"] == "zstd"
    assert said.tables["public", "chunks"] == 20000
    assert site.flaws() == ([], [])
    modes = site.lab.root("sh", "-c", f"stat -c '%a %U' {BACKUPS}/{site.newest}.* {ELSEWHERE}/{site.newest}.*")
    assert set(modes.splitlines()) == {"600 ops", "600 vault"}
    sums = f"{ELSEWHERE}/{site.newest}.sha256"
    assert "FAILED" not in site.lab.root("sh", "-c", f"cd {ELSEWHERE} && sha256sum --check {sums}")
    kept = "".join(path.read_text() for path in site.reports.iterdir()) + printed
    assert [each for each in site.lab.secrets if each in kept] == []


def test_older_client_is_refused_before_writing(site):
    before = backups.sets(site.lab)
    with site.stub_docker('*"pg_dump --version"', "echo 'pg_dump (PostgreSQL) 16.10'; exit 0"):
        done = site.run("backup", "--apply")
    assert done.returncode == 3
    assert "pg_dump (PostgreSQL) 16.10 is older than the server (17) and cannot dump it" in done.stderr
    assert (backups.sets(site.lab), site.flaws()) == (before, ([], []))


def test_archive_truncated_by_docker_is_no_backup(site):
    before = backups.sets(site.lab)
    with site.stub_docker("*--format=custom*--snapshot*", '/usr/bin/docker.aside "$@" | head -c 9000000; exit 0'):
        done = site.run("backup", "--apply")
    assert done.returncode == 4
    assert "the end of the archive was lost on the way out of the container" in done.stderr
    assert (backups.sets(site.lab), site.flaws()) == (before, ([], []))


def test_backup_without_sudo_ends_unknown(site):
    with moved(site.lab, "/etc/sudoers.d/opsproof-backup"):
        done = site.run("backup", "--apply")
    assert done.returncode == 6
    assert "sudo" in done.stderr


def test_verification_passes_and_finds_a_flipped_bit(site):
    assert site.run("verify_backup", "--apply").returncode == 0
    path = f"{BACKUPS}/{site.newest}.dump"
    content = site.lab.root("sh", "-c", f"cp -a {path} /run/kept; sha256sum {path}")
    assert sha256(b"").hexdigest() not in content
    site.lab.root("sh", "-c", f"printf x | dd of={path} bs=1 seek=9000000 conv=notrunc status=none")
    done = site.run("verify_backup", "--apply")
    site.lab.root("sh", "-c", f"cat /run/kept > {path}")
    assert done.returncode == 5
    assert f"{site.newest}.dump: checksum mismatch" in done.stderr


def test_drill_removes_leftovers_of_killed_drills_and_restores_roles_in_its_container(site):
    process = site.start_drill()
    process.kill()
    process.communicate()
    site.await_commands()
    (left,) = engine.containers([DRILL]).values()
    assert (left["HostConfig"]["NetworkMode"], left["HostConfig"]["CapDrop"]) == ("none", ["ALL"])
    assert (left["HostConfig"]["Binds"], left["Mounts"], left["Config"]["User"]) == (None, [], "postgres")

    process = site.start_drill()
    site.kill_connections()
    process.communicate(timeout=60)
    site.await_commands()

    done = site.apply("restore_drill")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"and roles in {DRILL}, a container of opsproof-lab/postgres:17 without network" in done.stdout
    entry = site.journal[-1]
    assert (entry["outcome"], entry["measured"]["set"]) == ("done", site.newest)
    assert 0 < entry["measured"]["restore_s"] < 60
    assert "not_checked" not in entry["measured"]
    assert site.drill_container is None
    assert site.other_databases == []


def test_drill_fails_if_roles_cannot_be_restored(site, tmp_path):
    source = site.newest
    text = site.lab.ops("cat", f"{BACKUPS}/{source}.globals.sql")
    title, member = "-- PostgreSQL database cluster dump", " IN ROLE nobody"
    broken = text.replace("CREATE ROLE metachat_app;", f"CREATE ROLE metachat_app{member};")
    broken = broken.replace(title, title[: -len(member)], 1)
    assert len(broken) == len(text)
    said = site.lab.ops("cat", f"{BACKUPS}/{source}.manifest.json")
    said = said.replace(sha256(text.encode()).hexdigest(), sha256(broken.encode()).hexdigest())
    folder = "/home/ops/copy"
    site.lab.ops("sh", "-c", f"mkdir {folder} && cp {BACKUPS}/{source}.dump {folder}")
    try:
        for name, content in (("globals.sql", broken), ("manifest.json", backups.with_checksum(said))):
            site.lab.ops("sh", "-c", f"cat > {folder}/{source}.{name}", text=content)
        done = site.run("restore_drill", "--apply", f"--from={folder}")
    finally:
        site.lab.root("rm", "-r", folder)
    assert done.returncode == 5
    assert f'{source}.globals.sql cannot be restored: role "nobody" does not exist' in done.stderr
    assert site.drill_container is None


def test_drill_in_live_container_limits_maintenance_work_mem(site):
    site.inventory.write_text(site.inventory.read_text().replace('drill = "container"', ""))
    with site.stub_docker("*--exit-on-error*", 'echo "$*" > /run/args'):
        done = site.run("restore_drill", "--apply")
    assert "maintenance_work_mem=64MB" in site.lab.root("cat", "/run/args")  # the container has 512 MB
    assert (done.returncode, done.stderr) == (0, "")
    assert "as metachat_drill_20" in done.stdout
    assert site.other_databases == []


@pytest.mark.usefixtures("drop_restored")
def test_restore_replaces_the_database_and_drop_old_removes_it(site):
    assert "rows lost: 1 (events 1)" in site.whole("restore")
    assert site.serving == "new"
    assert [name.partition("_")[0] for name in site.other_databases] == ["before"]
    assert site.run("restore", "--apply", "--drop-old").returncode == 0
    assert site.other_databases == []


def test_logs_are_rotated_and_cleaned_as_the_application_owner(site):
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


def interruptions(action):
    """Pairs of (line or controller, share of the duration); every third interruption kills the controller."""
    moments = extent.moments(f"{action} in a container")
    return [("line" if number % 3 else "controller", round(share, 2)) for number, share in enumerate(moments)]


@pytest.mark.kills
@pytest.mark.usefixtures("delete_new_backups")
@pytest.mark.parametrize(("what", "share"), interruptions("backup"))
def test_interrupted_backup_keeps_older_backups_and_allows_the_next(site, what, share):
    kept = backups.sets(site.lab)
    site.interrupt("backup", what, share)
    assert set(kept) <= set(backups.sets(site.lab))
    assert site.flaws()[1] == []
    done = site.apply("backup")
    assert (done.returncode, done.stderr) == (0, "")
    assert site.flaws() == ([], [])


@pytest.mark.kills
@pytest.mark.usefixtures("drop_restored")
@pytest.mark.parametrize(("what", "share"), interruptions("restore"))
def test_restore_interrupted_in_swap_leaves_old_or_new_database(site, what, share):
    site.interrupt("restore", what, share, site.reset)
    assert site.serving in ("old", "new", "closed")
    done = site.apply("restore")
    assert (done.returncode, done.stderr) == (0, "")
    assert site.serving == "new"
    recover(site.lab)
    assert {name.partition("_")[0] for name in site.other_databases} <= {"before"}
