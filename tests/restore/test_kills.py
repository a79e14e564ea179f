"""A drill or restore killed, cut off or out of disk at any moment leaves a live database; the next run completes.

tests/harness/extent.py says how many kills of each kind there are, and when. Each kill meets a running action, and the
leftovers are printed.
"""

import os
import subprocess
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psycopg
import pytest

from lab import processes
from lab.waiting import wait_until
from tests.harness import extent
from tests.harness.notes import show_rows

pytestmark = pytest.mark.kills

CUTS = 5 if extent.FULL else 1
PLANNED, COMPARED = "plan of", "  2. done"
"""The lines that an action prints before the first step, and before the swap."""
SOONER, TRIES = 0.9, 12
ROWS: list[str] = []
LASTS_S: dict[tuple[str, str], float] = {}
"""The seconds from a line to the end of an action."""


@pytest.fixture(scope="module", autouse=True)
def matrix(request):
    """Prints the leftovers of each kill."""
    yield from show_rows(request, ROWS)


@dataclass
class Course:
    """An action from a printed line to the end."""

    place: object
    action: str
    since: str = PLANNED

    @property
    def lasts_s(self):
        """The seconds of the course."""
        key = (self.action, self.since)
        if key not in LASTS_S:
            self._measure()
        return LASTS_S[key]

    def _measure(self):
        process, printed = self.place.begin(self.action), {}
        for line in process.stdout:
            printed |= {each: time.monotonic() for each in (PLANNED, COMPARED) if line.startswith(each)}
        ended, said = time.monotonic(), process.communicate()[1]
        assert process.returncode == 0, said
        LASTS_S.update({(self.action, each): ended - moment for each, moment in printed.items()})
        fresh(self.place)

    def _begun(self):
        process = self.place.begin(self.action)
        assert any(line.startswith(self.since) for line in process.stdout)
        return process

    def at(self, share):
        """A running action at a share of the course, and the moment for a reader; repeated sooner if too late.

        Share 0 is before the action prints anything.
        """
        for _ in range(TRIES):
            moment_s = share * self.lasts_s
            process = self._begun() if share else self.place.begin(self.action)
            began = time.monotonic()
            try:
                process.wait(moment_s)
            except subprocess.TimeoutExpired:
                return process, f"{100 * share:.0f} %, {moment_s:.2f} s"
            LASTS_S[self.action, self.since] = SOONER * (time.monotonic() - began)
            said = process.communicate()[1]
            assert process.returncode == 0, said
            fresh(self.place)
        raise AssertionError(f"{self.action}: all {TRIES} moments came too late")


def fresh(place):
    """Resets the lab, with a row that the backup lacks."""
    place.clear()
    place.write()


def serves(place):
    """The data that the application reads, or the error."""
    try:
        return place.serving
    except psycopg.OperationalError as error:
        return "closed" if "not currently accepting connections" in str(error) else str(error)


def again(place, action):
    """The next run; waits for commands that outlive their action."""
    return wait_until(lambda: unless_held(place.run(action, "--apply")), "the host is free", 60, every_s=0.1)


def unless_held(done):
    return None if done.returncode == 3 and "held by" in done.stderr else done


def settled(place):
    """The state after the killed run's commands have ended."""
    wait_until(lambda: not place.is_held() and not place.at_work, "the run's commands end", 60)
    assert [path.name for path in place.backups.iterdir() if path.name.startswith(".")] == []
    return serves(place), place.is_healthy(), place.databases


def row(action, when, event, found, done):
    data, healthy, left = found
    beside = ", ".join(name.partition("_")[0] for name in left) or "-"
    first = next((line for line in done.stdout.splitlines() if line.startswith("  1. ")), done.stderr).split()[:2]
    state = "up" if healthy else "down"
    ROWS.append(f"{action:13} {when:>20} {event:10} {data:6} {state:4} {beside:20} {' '.join(first)}")


def killed(course, share, kill, target="everything"):
    """The leftovers of a killed run; asserts that the next run completes."""
    process, when = course.at(share)
    kill(process.pid) if target == "everything" else process.kill()
    process.communicate()
    found = settled(course.place)
    if course.action == "restore_drill":
        assert course.place.becomes_healthy()
    done = again(course.place, course.action)
    row(course.action, when if course.since == PLANNED else f"swap: {when}", target, found, done)
    assert done.returncode == 0, done.stderr
    return found


def shares(kind):
    """When to kill an action or a swap; the full proof also kills before the plan."""
    return [0.0, *extent.moments(kind)] if extent.FULL else extent.moments(kind)


def whom(number):
    """Kills the action alone, or also the commands on the host."""
    return ("controller", "everything")[number % 2]


NUMBERS = range(extent.KILLS + extent.FULL)


@pytest.mark.parametrize("number", NUMBERS)
def test_killed_drill_leaves_live_database_and_next_drill_removes_leftovers(place, kill, number):
    share = shares("drill")[number]
    found = killed(Course(place, "restore_drill"), share, kill, whom(number))
    assert found[0] == "old"
    assert place.databases == []


def held(place, found):
    """Asserts the state after a kill, and after the next run."""
    assert found[0] in ("old", "new", "closed")
    assert serves(place) == "new"
    assert place.becomes_healthy()
    assert {name.partition("_")[0] for name in place.databases} <= {"before"}


@pytest.mark.parametrize("number", NUMBERS)
def test_killed_restore_leaves_one_database_live(place, kill, number):
    held(place, killed(Course(place, "restore"), shares("restore")[number], kill, whom(number)))


@pytest.mark.parametrize("number", range(extent.KILLS))
def test_restore_killed_within_swap_leaves_one_database_live(place, kill, number):
    held(place, killed(Course(place, "restore", COMPARED), extent.moments("swap")[number], kill))


def assert_recovered(place, action, process, when, event):
    """Asserts the state after an event that the action survives or reports, and that the next run succeeds."""
    said = process.communicate(timeout=120)[1]
    found = settled(place)
    done = again(place, action)
    row(action, f"{when}: {process.returncode}", event, found, done)
    assert process.returncode in (0, 4, 5, 6), said
    assert found[0] in ("old", "new")
    assert done.returncode == 0, done.stderr


def cuts(kind):
    """When to cut off an action: a sample of the moments of kills."""
    moments = extent.moments(kind)
    return moments[:: len(moments) // CUTS] if extent.FULL else extent.sample(kind, moments, CUTS)


@pytest.mark.parametrize("number", range(CUTS))
@pytest.mark.parametrize("action", ["restore_drill", "restore"])
def test_server_restart_loses_no_database(place, action, number):
    process, when = Course(place, action).at(cuts(f"{action}: database restart")[number])
    place.lab.stop_database()
    place.lab._server.start()
    assert_recovered(place, action, process, when, "restarted")
    assert {name.partition("_")[0] for name in place.databases} <= {"before"}


def cut(server):
    """Ends the server's side of every connection; commands on the host go on."""
    for pid in processes.descendants([server]) - {server}:
        if processes.command(pid).startswith("sshd: "):
            with suppress(ProcessLookupError):
                os.kill(pid, 9)


@pytest.mark.parametrize("number", range(CUTS))
@pytest.mark.parametrize("action", ["restore_drill", "restore"])
def test_cut_connection_loses_no_database(place, sshd_server, action, number):
    course = Course(place, action)
    assert course.lasts_s
    place.transport = sshd_server.spec()
    process, when = course.at(cuts(f"{action}: line cut")[number])
    cut(int((sshd_server.folder / "sshd.pid").read_text()))
    assert_recovered(place, action, process, when, "ssh cut")


@contextmanager
def small_disk(place, megabytes):
    """Moves the live database to a small file system beside the server's data, where the server's user has access."""
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
def test_full_disk_loses_no_database(place, script, action):
    with small_disk(place, 80) as disk:
        place.path = filling(place, disk, script)
        process = place.begin(action)
        said = process.communicate(timeout=120)[1]
        found = settled(place)
        assert place.becomes_healthy()
        place.path = place.lab.layout.bin
        (disk / "ballast").unlink()
        done = again(place, action)
        row(action, f"run: {process.returncode}", "disk full", found, done)
        assert process.returncode in (4, 5), said
        assert "No space left on device" in said
        assert (found[0], found[2]) == ("old", [])
        assert done.returncode == 0, done.stderr


def filling(place, disk, script):
    """A folder with a pg_restore that fills the disk before it loads anything."""
    fill = f'case "$*" in *--exit-on-error*) cat /dev/zero > {disk}/ballast 2>&- ;; esac'
    return script(place.folder / "pg_restore", f'{fill}\nexec {place.lab.layout.bin / "pg_restore"} "$@"').parent
