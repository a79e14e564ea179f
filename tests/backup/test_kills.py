"""A backup killed at any moment damages no older backup, leaves no partial backup, and blocks no later run.

tests/harness/extent.py decides the number and the moments of kills.
"""

import os
import re
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from lab import processes
from lab.waiting import wait_until
from tests.backup.conftest import Site
from tests.harness import extent
from tests.harness.notes import show_rows

pytestmark = pytest.mark.kills

PROGRAM = b"# Makes one backup set on the host"
SOONER = 0.9
TRIES = 12
CUTS = extent.KILLS if extent.FULL else 2
ROWS: list[str] = []


@pytest.fixture(scope="module", autouse=True)
def matrix(request):
    """Prints the leftovers of each kill."""
    yield from show_rows(request, ROWS)


@pytest.fixture(scope="module")
def courses(made, tmp_path_factory):
    """Duration of a backup in seconds, and of each of its processes on the host."""
    site = replace(made, folder=tmp_path_factory.mktemp("courses"))
    site.take(made)
    began, seen = time.monotonic(), {}

    def has_ended():
        for name in on_host(site):
            seen.setdefault(name, []).append(time.monotonic())
        return process.poll() is not None

    process = site.begin()
    wait_until(has_ended, "a backup ends", 60, process=process, every_s=0.02)
    assert process.returncode == 0, process.communicate()
    courses = {name: moments[-1] - moments[0] for name, moments in seen.items()}
    return {"controller": time.monotonic() - began, **courses}


def on_host(site):
    """The processes of a backup on the host, by name, without processes of other sessions."""
    found = {}
    for pid in processes.pids():
        with suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if (
                words[0].endswith(b"perl")
                and len(words) > 2
                and words[2].startswith(PROGRAM)
                and bytes(site.folder) in words
            ):
                found["program"] = pid
            elif words[0].endswith(b"pg_dump") and b"port=%d " % site.server.port in b" ".join(words) + b" ":
                found["pg_dump"] = pid
    return found


def killed(site, process, whom):
    """Kills a process of a backup; returns whether the process was still running."""
    pid = process.pid if whom == "controller" else on_host(site).get(whom)
    with suppress(ProcessLookupError):
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
            return True
    return False


def row(what, share, moment_s, found):
    ROWS.append(f"{what:<12} {100 * share:3.0f} % {moment_s:5.2f} s  {found}")


def unless_held(done):
    """The finished action, or None if the host lock was held."""
    return None if done.returncode == 3 and "held by" in done.stderr else done


@dataclass
class Backups:
    """Backups to kill, beside a kept backup that must not change."""

    site: Site
    kept: str
    courses: dict[str, float]

    def struck(self, whom, share, strike, inventory=None):
        """Strikes a backup at a share of the duration of a process; returns status, standard error and seconds.

        If the process ended before the strike, repeats with an earlier strike.
        """
        for _ in range(TRIES):
            process = self.site.begin(inventory=inventory)
            if whom != "controller":
                wait_until(lambda: whom in on_host(self.site), f"{whom} runs", 60, process=process, every_s=0.02)
            began = time.monotonic()
            time.sleep(share * self.courses[whom])
            moment_s = time.monotonic() - began
            met = process.poll() is None and strike(process)
            _, said = process.communicate(timeout=60)
            if met:
                return process.returncode, said, moment_s
            assert process.returncode == 0, said
            self.forget()
            row("-", share, moment_s, "too late")
            self.courses[whom] *= SOONER
        raise AssertionError(f"{whom}: all {TRIES} strikes came too late")

    def forget(self):
        self.site.forget(*(each for each in self.site.sets if each != self.kept))

    def invariants(self, what, share, moment_s):
        """Asserts after a kill, and again after the next backup, that no set is damaged.

        The next backup waits for commands that outlive their action.
        """
        site, left, whole = self.site, self.site.leftovers, self.site.sets
        assert self.kept in whole
        assert site.flaws() == []
        done = wait_until(lambda: unless_held(site.run("--apply")), "the host is free", 60, every_s=0.1)
        assert (done.returncode, done.stderr) == (0, "")
        assert (site.leftovers, site.flaws()) == ([], [])
        assert self.kept in site.sets
        assert len(site.sets) > len(whole) or len(whole) > 1
        parts = sorted({re.sub(r"^metachat_\d+T\d+Z\.", "", each) for each in left})
        row(what, share, moment_s, f"new backup {'yes' if len(whole) > 1 else 'no '}  left: {' '.join(parts)}")
        self.forget()


@pytest.fixture
def backups(site, made, courses):
    return Backups(site, site.take(made), courses)


@pytest.mark.parametrize("number", range(extent.KILLS))
@pytest.mark.parametrize("whom", ["controller", "program", "pg_dump"])
def test_backup_killed_at_any_moment_damages_nothing(backups, whom, number):
    share = extent.moments(f"backup: {whom}")[number]
    _, _, moment_s = backups.struck(whom, share, lambda process: killed(backups.site, process, whom))
    backups.invariants(whom, share, moment_s)


def cuts(what):
    """A sample of the moments for kills of `what`."""
    return extent.sample(what, extent.moments(what), CUTS)


@pytest.mark.parametrize("number", range(CUTS))
def test_database_restart_during_backup_damages_nothing(backups, number):
    def start_again(_process):
        backups.site.server.stop()
        backups.site.server.start()
        return True

    share = cuts("backup: database restart")[number]
    status, said, moment_s = backups.struck("program", share, start_again)
    assert status in (0, 4), said
    backups.invariants("restart", share, moment_s)


def sessions_of(server):
    """PIDs of the sshd session processes; a lost connection ends only sessions."""
    return [int(pid) for pid in Path(f"/proc/{server}/task/{server}/children").read_text().split()]


@pytest.mark.parametrize("number", range(CUTS))
def test_lost_ssh_connection_during_backup_damages_nothing(backups, sshd_server, number):
    def cut(_process):
        sessions = sessions_of(int((sshd_server.folder / "sshd.pid").read_text()))
        for pid in sessions:
            os.kill(pid, signal.SIGKILL)
        assert sessions
        return True

    share = cuts("backup: line cut")[number]
    inventory = backups.site.inventory(sshd_server.spec())
    status, said, moment_s = backups.struck("program", share, cut, inventory)
    assert status in (0, 4, 5), said
    backups.site.inventory()
    backups.invariants("line cut", share, moment_s)
