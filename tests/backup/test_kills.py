"""A backup that is killed at any moment costs no older one, leaves none that is not whole, and hinders no later one.

OPSPROOF_KILLS is how many kills of each kind there are, spread over its course; eight without it.
"""

import os
import re
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from lab import processes

MOMENTS = int(os.environ.get("OPSPROOF_KILLS", "8"))
PROGRAM_LASTS_S = 0.7
PROGRAM = b"# Makes one backup on its host"
ROWS: list[str] = []


@pytest.fixture(scope="module", autouse=True)
def matrix(request):
    """Prints what each kill left behind, past the capture of output."""
    yield
    plugins = request.config.pluginmanager
    with plugins.getplugin("capturemanager").global_and_fixture_disabled():
        plugins.getplugin("terminalreporter").write_line("\n" + "\n".join(ROWS))


@pytest.fixture
def kept(site):
    """A backup that must stay as it is, whatever happens."""
    assert site.run("--apply").returncode == 0
    (name,) = site.sets
    return name


@pytest.fixture
def lasts_s(site, kept):
    """How long a whole backup takes."""
    began = time.monotonic()
    assert site.run("--apply").returncode == 0
    site.forget(site.sets[-1])
    return time.monotonic() - began


def on_host(site):
    """The processes of a backup on its host, by what they are; those of other tests on this machine are left alone."""
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


def kill_controller(_site, process):
    process.kill()
    return "controller"


def kill_program(site, _process):
    return kill_on_host(site, "program")


def kill_dump(site, _process):
    return kill_on_host(site, "pg_dump")


def kill_on_host(site, name):
    pid = on_host(site).get(name)
    if pid is None:
        return "-"
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    return name


def eventually(site):
    """The next backup, once the host is free: a command that goes on after its action keeps others out."""
    deadline = time.monotonic() + 60
    while (done := site.run("--apply")).returncode == 3 and "held by" in done.stderr and time.monotonic() < deadline:
        time.sleep(0.1)
    return done


def invariants(site, kept, what, moment_s):
    """What must hold after a kill, and after the backup that follows it."""
    left, whole = site.leftovers, site.sets
    assert kept in whole
    assert site.flaws() == []
    done = eventually(site)
    assert (done.returncode, done.stderr) == (0, "")
    assert (site.leftovers, site.flaws()) == ([], [])
    assert kept in site.sets
    assert len(site.sets) > len(whole) or len(whole) > 1
    parts = sorted({re.sub(r"^metachat_\d+T\d+Z\.", "", each) for each in left})
    ROWS.append(
        f"{what:<12} {moment_s:5.2f} s  new backup {'yes' if len(whole) > 1 else 'no '}  left: {' '.join(parts)}"
    )
    site.forget(*(each for each in site.sets if each != kept))


@pytest.mark.parametrize("kill", [kill_controller, kill_program, kill_dump])
def test_killed_at_any_moment(site, kept, lasts_s, kill):
    """So many kills that met something, spread over its course; where one came too late, the next comes sooner."""
    awaited = {kill_program: "program", kill_dump: "pg_dump"}.get(kill)
    course_s = PROGRAM_LASTS_S if awaited else lasts_s
    struck = 0
    for _ in range(4 * MOMENTS):
        process = site.begin()
        if awaited:
            wait_for(site, awaited, process)
        began = time.monotonic()
        time.sleep(course_s * (struck + 0.5) / MOMENTS)
        what = kill(site, process) if process.poll() is None else "-"
        moment_s = time.monotonic() - began
        process.communicate(timeout=60)
        if what == "-":
            course_s *= 0.9
        struck += what != "-"
        invariants(site, kept, what, moment_s)
        if struck == MOMENTS:
            return
    raise AssertionError(struck)


def wait_for(site, name, process):
    """Until this one runs on the host."""
    while process.poll() is None and name not in on_host(site):
        time.sleep(0.002)


@pytest.mark.parametrize("moment_s", [0.1, 0.25, 0.4])
def test_the_database_starts_again_in_the_middle(site, kept, moment_s):
    process = site.begin()
    wait_for(site, "program", process)
    time.sleep(moment_s)
    site.server.stop()
    site.server.start()
    _, said = process.communicate(timeout=60)
    assert process.returncode in (0, 4), said
    invariants(site, kept, "restart", moment_s)


def sessions_of(server):
    """The processes that serve a connection: what a line that is cut takes with it, and nothing else."""
    return [int(pid) for pid in Path(f"/proc/{server}/task/{server}/children").read_text().split()]


@pytest.mark.parametrize("moment_s", [0.1, 0.3, 0.5, 0.7])
def test_the_line_is_cut(site, kept, sshd_server, moment_s):
    inventory = site.inventory(sshd_server.spec())
    process = site.begin(inventory=inventory)
    wait_for(site, "program", process)
    time.sleep(moment_s)
    sessions = sessions_of(int((sshd_server.folder / "sshd.pid").read_text()))
    for pid in sessions:
        os.kill(pid, signal.SIGKILL)
    _, said = process.communicate(timeout=60)
    assert sessions
    assert process.returncode in (0, 4, 5), said
    site.inventory()
    invariants(site, kept, "line cut", moment_s)
