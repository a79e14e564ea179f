"""A drill or a restore that is killed, cut off or starved at any moment leaves one database serving, and a next run
that comes to its end.

The moments are spread over the course that the action has on this machine, and each of them met one that ran. With
OPSPROOF_KILLS=26 there are as many of each kind; without it, eight. What each left behind is printed.
"""

import os
import subprocess
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from lab import processes
from tests.sshd import running

KILLS = int(os.environ.get("OPSPROOF_KILLS", "8"))
CUTS = max(2, KILLS // 5)
PLANNED, COMPARED = "plan of", "  2. done"
"""What is printed when it begins, and before processes are stopped and names swapped."""
SHORTER = 0.9
ROWS: list[str] = []
LASTS_S: dict[tuple[str, str], float] = {}
"""How long each action takes from such a line to its end."""


@pytest.fixture(scope="module", autouse=True)
def matrix(request):
    """Prints what each kill left behind, past the capture of output."""
    yield
    plugins = request.config.pluginmanager
    with plugins.getplugin("capturemanager").global_and_fixture_disabled():
        plugins.getplugin("terminalreporter").write_line("\n" + "\n".join(ROWS))


@dataclass
class Course:
    """An action from a line that it prints to its end."""

    place: object
    action: str
    since: str = PLANNED

    @property
    def lasts_s(self):
        """How long it takes; the second time, as the first one has more to read from the disk."""
        key = (self.action, self.since)
        for _ in range(0 if key in LASTS_S else 2):
            process, began = self._begun(), time.monotonic()
            process.communicate()
            assert process.returncode == 0
            LASTS_S[key] = time.monotonic() - began
            fresh(self.place)
        return LASTS_S[key]

    def _begun(self):
        process = self.place.begin(self.action)
        assert any(line.startswith(self.since) for line in process.stdout)
        return process

    def at(self, number, of):
        """One that runs, at one of so many moments that are spread evenly; and when that is, for a reader."""
        while True:
            moment_s = number / of * self.lasts_s
            process = self._begun() if number else self.place.begin(self.action)
            time.sleep(moment_s)
            if process.poll() is None:
                return process, f"{100 * number / of:.0f} %, {moment_s:.2f} s"
            process.communicate()
            assert process.returncode == 0
            LASTS_S[self.action, self.since] *= SHORTER
            fresh(self.place)


def fresh(place):
    """The lab as it was before an action, with a row that the backup does not have."""
    place.clear()
    place.write()


def serves(place):
    """The data that serve, or why none do; asked as the application asks."""
    try:
        return place.serving
    except psycopg.OperationalError as error:
        return "closed" if "not currently accepting connections" in str(error) else str(error)


def again(place, action):
    """The next run, once the host is free: a command that goes on after its action keeps others out."""
    deadline = time.monotonic() + 60
    while (done := place.run(action, "--apply")).returncode == 3 and "held by" in done.stderr:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return done


def settled(place, patience_s=4):
    """What is there once nothing of the killed run works any more."""
    assert place.eventually(lambda: not place.is_held() and not place.at_work, 60)
    assert [path.name for path in place.backups.iterdir() if path.name.startswith(".")] == []
    left = place.databases
    return serves(place), place.eventually(place.is_healthy, patience_s), left


def row(action, when, what, found, done):
    data, healthy, left = found
    beside = ", ".join(name.partition("_")[0] for name in left) or "-"
    first = next((line for line in done.stdout.splitlines() if line.startswith("  1. ")), done.stderr).split()[:2]
    state = "up" if healthy else "down"
    ROWS.append(f"{action:13} {when:>20} {what:10} {data:6} {state:4} {beside:20} {' '.join(first)}")


def killed(course, kill, number, what="everything"):
    """What a run leaves behind that is killed, and that the next run comes to its end."""
    process, when = course.at(number, KILLS)
    kill(process.pid) if what == "everything" else process.kill()
    process.communicate()
    found = settled(course.place, 20 if course.action == "restore_drill" else 4)
    done = again(course.place, course.action)
    row(course.action, when if course.since == PLANNED else f"swap: {when}", what, found, done)
    assert done.returncode == 0, done.stderr
    return found


def test_a_drill_that_is_killed_touches_nothing_and_is_swept_by_the_next(place, kill):
    for number in range(KILLS):
        found = killed(Course(place, "restore_drill"), kill, number, ("controller", "everything")[number % 2])
        assert found[:2] == ("old", True)
        assert place.databases == []


def held(place, found):
    """What must hold after a kill, and after the run that follows it."""
    assert found[0] in ("old", "new", "closed")
    assert serves(place) == "new"
    assert place.eventually(place.is_healthy)
    assert {name.partition("_")[0] for name in place.databases} <= {"before"}
    fresh(place)


def test_a_restore_that_is_killed_leaves_one_of_both_serving(place, kill):
    for number in range(KILLS):
        held(place, killed(Course(place, "restore"), kill, number, ("controller", "everything")[number % 2]))


def test_a_restore_that_is_killed_within_the_swap_leaves_one_of_both_serving(place, kill):
    for number in range(KILLS // 2):
        held(place, killed(Course(place, "restore", COMPARED), kill, 2 * number + 1))


@pytest.mark.parametrize("number", range(CUTS))
@pytest.mark.parametrize("action", ["restore_drill", "restore"])
def test_a_database_that_starts_again_meanwhile_is_no_loss(place, action, number):
    process, when = Course(place, action).at(number + 1, CUTS + 1)
    place.lab.stop_database()
    place.lab._server.start()
    said = process.communicate(timeout=120)[1]
    found = settled(place)
    done = again(place, action)
    row(action, f"{when}: {process.returncode}", "restarted", found, done)
    assert process.returncode in (0, 4, 5, 6), said
    assert found[0] in ("old", "new")
    assert done.returncode == 0, done.stderr
    assert {name.partition("_")[0] for name in place.databases} <= {"before"}


def cut(server):
    """Ends the server's side of every connection; what runs on the host does not hear of it."""
    for pid in processes.pids():
        if processes.command(pid).startswith("sshd: ") and server in ancestors(pid):
            with suppress(ProcessLookupError):
                os.kill(pid, 9)


def ancestors(pid):
    while pid > 1:
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return
        yield pid


@pytest.mark.parametrize("number", range(CUTS))
@pytest.mark.parametrize("action", ["restore_drill", "restore"])
def test_a_connection_that_is_cut_is_no_loss(place, action, number):
    course = Course(place, action)
    assert course.lasts_s
    with running() as server:
        place.transport = server.spec()
        process, when = course.at(number + 1, CUTS + 1)
        cut(int((server.folder / "sshd.pid").read_text()))
        said = process.communicate(timeout=120)[1]
        found = settled(place)
        done = again(place, action)
        row(action, f"{when}: {process.returncode}", "ssh cut", found, done)
        assert process.returncode in (0, 4, 5, 6), said
        assert found[0] in ("old", "new")
        assert done.returncode == 0, done.stderr


@contextmanager
def small_disk(place, megabytes):
    """The live database on a small file system of its own, beside the server's data: its user may go there."""
    disk = place.lab._server.data.with_name("disk")
    disk.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", disk], check=True)
    place.lab._server.adopt(disk)
    try:
        place.sql(f"CREATE TABLESPACE small LOCATION '{disk}'", "postgres")
        move(place, "small")
        yield disk
    finally:
        for path in disk.glob("ballast"):
            path.unlink()
        for name in place.databases:
            place.sql(f'DROP DATABASE "metachat_{name}" WITH (FORCE)', "postgres")
        move(place, "pg_default")
        place.sql("DROP TABLESPACE small", "postgres")
        subprocess.run(["umount", disk], check=True)
        disk.rmdir()


def move(place, tablespace):
    place.sql("ALTER DATABASE metachat ALLOW_CONNECTIONS false", "postgres")
    place.sql("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = 'metachat'", "postgres")
    place.sql(f"ALTER DATABASE metachat SET TABLESPACE {tablespace}", "postgres")
    place.sql("ALTER DATABASE metachat ALLOW_CONNECTIONS true", "postgres")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
@pytest.mark.parametrize("action", ["restore_drill", "restore"])
def test_a_disk_that_becomes_full_is_no_loss(place, script, action):
    with small_disk(place, 80) as disk:
        place.path = filling(place, disk, script)
        process = place.begin(action)
        said = process.communicate(timeout=120)[1]
        found = settled(place, 20)
        place.path = place.lab.layout.bin
        (disk / "ballast").unlink()
        done = again(place, action)
        row(action, f"run: {process.returncode}", "disk full", found, done)
        assert process.returncode in (4, 5), said
        assert "No space left on device" in said
        assert found == ("old", True, [])
        assert done.returncode == 0, done.stderr


def filling(place, disk, script):
    """A folder with a pg_restore that fills the disk before it loads anything."""
    fill = f'case "$*" in *--exit-on-error*) cat /dev/zero > {disk}/ballast 2>&- ;; esac'
    return script(place.folder / "pg_restore", f'{fill}\nexec {place.lab.layout.bin / "pg_restore"} "$@"').parent
