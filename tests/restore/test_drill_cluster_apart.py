"""Programs in the namespaces of a drill's cluster reach nothing of the host, and end with the drill."""

import os
import re
import shutil
import socket
import subprocess
from dataclasses import replace

import pytest

from lab import processes
from lab.waiting import wait_until
from opsproof.action import Work, lock
from opsproof.core import scripts
from opsproof.core.errors import CommandError, Refused, StepFailed
from opsproof.inventory.backups import Backup
from opsproof.inventory.hosts import Host
from opsproof.restore.sandbox import Sandbox, SandboxHost
from tests.restore.clustered import USER, needs_users, own_programs, owner_of, scratch, user_number

__all__ = ["scratch"]
pytestmark = [needs_users, pytest.mark.lab]

MEMORY_BYTES = 2**30
NAME = "opsproof_drill_20260102T030405Z"
DENIED = {
    "head -c 40 /etc/shadow": "No such file or directory",
    "cat {secret}": "No such file or directory",
    "perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(q(127.0.0.1:{port})) ? q(connected) : $!'": "unreachable",
    "kill -9 {canary}": "No such process",
    "kill -9 1; kill -9 -1; echo alive": "alive",
    "cp /bin/true /cluster/true; /cluster/true": "Permission denied",
    "unshare --user true": "unshare failed",
    "touch /usr/planted": "Read-only file system",
    "touch /planted": "Read-only file system",
    "perl -e 'my $text = q(x) x 2**31'": "Out of memory",
    "sudo -n true": "no new privileges",
    "ls /etc /dev/shm": "passwd",
    "env": "HOME=/tmp",
}
"""Commands of loaded code, and what they get."""


class Box:
    """The namespaces of a drill, with the lock of the host held as by an action."""

    def __init__(self, folder):
        self.host = Host(transport="local://")
        self.work = Work(self.host, print)
        keys = {"database": "d", "folder": "/b", "user": "u", "drill": "cluster", "drill_user": USER}
        backup = Backup.model_validate({**keys, "scratch": str(folder), "programs": str(own_programs())})
        self.sandbox = Sandbox(backup, 18, f"{folder}/{NAME}", MEMORY_BYTES)
        self.path = folder / NAME

    def begin(self, spare_bytes=2**30, lasts_s=60):
        free = shutil.disk_usage(self.path.parent).free
        self.work.do(self.sandbox.begin(max(0, free - spare_bytes), lasts_s), "begin")

    def run(self, *words):
        words = (*self.sandbox.entrance, *words)
        return subprocess.run(words, capture_output=True, text=True, timeout=30, check=False, stdin=subprocess.DEVNULL)

    def look(self) -> SandboxHost:
        return self.sandbox.host(self.work)

    def remove(self, path=None):
        self.work.do(self.sandbox.remove(str(path or self.path)), "remove")

    @property
    def processes(self):
        return [pid for pid in processes.pids() if owner_of(pid) == user_number()]

    def is_gone(self):
        return not self.path.exists() and not self.processes


@pytest.fixture
def box(scratch):
    made = Box(scratch)
    with lock.held(made.host, "test"):
        yield made
        made.remove()


@pytest.fixture
def canary():
    """A process of the drills' user, outside of the drill."""
    words = ["setpriv", f"--reuid={USER}", "--clear-groups", "sleep", "60"]
    with subprocess.Popen(words, stdin=subprocess.DEVNULL) as process:
        yield process
        process.kill()


@pytest.fixture
def listening():
    """The port of a listener on the host."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_programs_reach_nothing_of_the_host(box, canary, listening, tmp_path, monkeypatch):
    secret = tmp_path / "pgpass"
    secret.write_text("secret")
    monkeypatch.setenv("OPSPROOF_PASSED_ON", "secret")
    box.begin()
    for command, answer in DENIED.items():
        asked = command.replace("{secret}", str(secret)).replace("{port}", str(listening))
        said = box.run("sh", "-c", f"exec 2>&1; {asked.replace('{canary}', str(canary.pid))}").stdout
        assert answer in said, asked
        assert "secret" not in said.lower().replace(str(secret), ""), asked
    assert canary.poll() is None
    assert len(box.run("sh", "-c", "echo /proc/[0-9]*").stdout.split()) == 2


def test_a_program_that_fills_the_disk_ends_the_drill(box):
    box.begin(spare_bytes=200 * 2**20)
    done = box.run("dd", "if=/dev/zero", "of=/cluster/filler", "bs=1M", "count=20000")
    assert done.returncode != 0
    wait_until(box.is_gone, "the drill ends")


def test_drill_ends_when_its_time_is_over(box):
    box.begin(lasts_s=1)
    wait_until(box.is_gone, "the drill ends")


def test_drill_ends_when_no_action_holds_the_lock(scratch):
    box = Box(scratch)
    with lock.held(box.host, "test"):
        box.begin()
    wait_until(box.is_gone, "the drill ends", 30)


def test_killed_keeper_takes_everything_with_it(box):
    box.begin()
    with subprocess.Popen([*box.sandbox.entrance, "sleep", "60"], stdin=subprocess.DEVNULL) as running:
        wait_until(lambda: len(box.processes) > 4, "sleep runs")
        os.kill(min(box.processes), 9)
        assert running.wait(10) != 0
    wait_until(lambda: not box.processes, "all processes end")
    assert box.look().left == (str(box.path),)
    with pytest.raises(CommandError, match="it ended for lack of disk, memory or time"):
        box.work.ask(box.sandbox.settle())[0].require("settle")


def test_only_marked_folders_of_the_user_are_leftovers(box, scratch):
    empty, marked, foreign, other, link = (scratch / NAME.replace("20260102", f"2026010{n}") for n in (3, 4, 5, 6, 7))
    for folder in (empty, marked, foreign, other):
        folder.mkdir(mode=0o700)
    for folder in (empty, marked, foreign):
        shutil.chown(folder, USER)
    (marked / "opsproof.mark").write_text("")
    (foreign / "work of a person").write_text("")
    (other / "opsproof.mark").write_text("")
    link.symlink_to(marked)
    assert box.look().left == (str(empty), str(marked))
    for folder in (foreign, other, link):
        with pytest.raises(StepFailed, match="is no folder of a drill"):
            box.remove(folder)
    box.remove(marked)
    assert (foreign.exists(), other.exists(), marked.exists()) == (True, True, False)


def test_folders_without_rights_are_removed_and_links_not_followed(box, scratch):
    kept = scratch / "kept"
    kept.mkdir()
    shutil.chown(kept, USER)
    box.begin()
    box.run("sh", "-c", f"ln -s {kept} /cluster/link; mkdir -p /cluster/a/b; touch /cluster/a/b/c; chmod 0 /cluster/a")
    box.remove()
    assert (box.path.exists(), kept.exists(), kept.stat().st_mode & 0o777) == (False, True, 0o755)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"uid": 0}, "drill_user games is root or the login user"),
        ({"uid": 7}, "drill_user games is root or the login user"),
        ({"groups": 1}, "is a member of 1 further groups"),
        ({"owner": 0}, "is open to further users"),
        ({"mode": 0o755}, "is open to further users"),
        ({"version": "postgres (PostgreSQL) 17.5"}, "has PostgreSQL 17 (the backup is from 18): set programs"),
        ({"version": "/x/postgres: No such file or directory"}, "no PostgreSQL 18 on the host: /x/postgres: No such"),
        ({"missing": "psql pg_dump"}, "lacks psql pg_dump: install the client's package too"),
        (
            {"isolation": "unshare: Operation not permitted"},
            "cannot create namespaces: unshare: Operation",
        ),
    ],
)
def test_host_without_a_part_is_refused(box, state, message):
    host = box.look()
    box.sandbox.require(host, 7)
    with pytest.raises(Refused, match=re.escape(message)):
        box.sandbox.require(replace(host, **state), 7)


def test_missing_folder_and_missing_right_are_refused(box, tmp_path, script):
    box.path.parent.rename(tmp_path / "away")
    with pytest.raises(Refused, match="No such file or directory"):
        box.look()
    (tmp_path / "away").rename(box.path.parent)
    script(tmp_path / "bin" / "sudo", 'echo "sudo: a password is required" >&2; exit 1')
    host = box.host.model_copy(update={"path": [str(tmp_path / "bin")]})
    with pytest.raises(Refused, match="drill_user games: sudo: a password is required"):
        box.sandbox.host(Work(host, print))


ROLES = """\
CREATE ROLE "o'brien";
ALTER ROLE "o'brien" WITH LOGIN PASSWORD 'SCRAM-SHA-256$4096:c2FsdA==$a2V5:a2V5';
ALTER ROLE old WITH LOGIN PASSWORD 'md50123456789abcdef0123456789abcdef' VALID UNTIL '2027-01-01 00:00:00+00';
COMMENT ON ROLE old IS 'says PASSWORD ''SCRAM-SHA-256$...''';
"""


def test_roles_are_restored_without_passwords():
    words = ["perl", "-e", scripts.perl("restore/roles"), "--", "sh", "-c", "cat; exit 3"]
    done = subprocess.run(words, input=ROLES, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert done.stdout.splitlines() == [
        'CREATE ROLE "o\'brien";',
        'ALTER ROLE "o\'brien" WITH LOGIN;',
        "ALTER ROLE old WITH LOGIN VALID UNTIL '2027-01-01 00:00:00+00';",
        ROLES.splitlines()[3],
    ]
