"""A drill or a restore that is killed, cut off or starved at any moment leaves one database serving, and a next run
that comes to its end."""

import os
import subprocess
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from lab import processes
from tests.sshd import running

MOMENTS = 26
IN_THE_SWAP = 14
ROWS: list[str] = []
COMPARED = 2
"""The step after which processes are stopped and names swapped."""


@pytest.fixture(scope="module", autouse=True)
def matrix(request):
    """Prints what each kill left behind, past the capture of output."""
    yield
    plugins = request.config.pluginmanager
    with plugins.getplugin("capturemanager").global_and_fixture_disabled():
        plugins.getplugin("terminalreporter").write_line("\n" + "\n".join(ROWS))


def lasts_s(place, action):
    """How long it takes, once it has run before."""
    for _ in range(2):
        began = time.monotonic()
        assert place.run(action, "--apply").returncode == 0
        lasts = time.monotonic() - began
        place.clear()
        place.write()
    return lasts


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


def settled(place):
    """What is there once nothing of the killed run works any more."""
    assert place.eventually(lambda: not place.is_held(), 60)
    left = place.databases
    return serves(place), place.eventually(place.is_healthy, 4), left


def row(action, when, what, found, done):
    data, healthy, left = found
    beside = ", ".join(name.partition("_")[0] for name in left) or "-"
    end = done.stdout.strip().splitlines()[1 if "plan of" in done.stdout else 0].strip().split(" ")[:2]
    ROWS.append(
        f"{action:13} {when:>16} {what:10} {data:6} {'up' if healthy else 'down':4} {beside:20} {' '.join(end)}"
    )


def killed(place, kill, process, when, number):
    """What `process` leaves behind, and that the next run comes to its end."""
    action = Path(process.args[1]).stem
    if process.poll() is not None:
        what = "too late"
    elif number % 2:
        what = "everything"
        kill(process.pid)
    else:
        what = "controller"
        process.kill()
    process.communicate()
    found = settled(place)
    done = again(place, action)
    row(action, when, what, found, done)
    assert done.returncode == 0, done.stderr
    return found


def test_a_drill_that_is_killed_touches_nothing_and_is_swept_by_the_next(place, kill):
    lasts = lasts_s(place, "restore_drill")
    for number in range(MOMENTS):
        moment = (number + 1) * lasts / (MOMENTS + 1)
        found = killed(place, kill, begun(place, "restore_drill", moment), f"{moment:.2f} s", number)
        assert found[:2] == ("old", True)
        assert place.databases == []


def begun(place, action, moment_s):
    process = place.begin(action)
    time.sleep(moment_s)
    return process


def held(place, found):
    """What must hold after a kill, and after the run that follows it."""
    assert found[0] in ("old", "new", "closed")
    assert serves(place) == "new"
    assert place.eventually(place.is_healthy)
    assert {name.partition("_")[0] for name in place.databases} <= {"before"}
    place.clear()
    place.write()


def test_a_restore_that_is_killed_leaves_one_of_both_serving(place, kill):
    lasts = lasts_s(place, "restore")
    for number in range(MOMENTS):
        moment = (number + 1) * lasts / (MOMENTS + 1)
        held(place, killed(place, kill, begun(place, "restore", moment), f"{moment:.2f} s", number))


def test_a_restore_that_is_killed_within_the_swap_leaves_one_of_both_serving(place, kill):
    for number in range(IN_THE_SWAP):
        process, moment = place.begin("restore"), number * 0.06
        assert any(line.startswith(f"  {COMPARED}. done") for line in process.stdout)
        time.sleep(moment)
        held(place, killed(place, kill, process, f"swap + {moment:.2f} s", number | 1))


@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize("action", ["restore_drill", "restore"])
def test_a_database_that_starts_again_meanwhile_is_no_loss(place, action, number):
    process = place.begin(action)
    time.sleep(0.9 + 0.3 * number)
    place.lab.stop_database()
    place.lab._server.start()
    said = process.communicate(timeout=120)[1]
    found = settled(place)
    done = again(place, action)
    row(action, f"run {number}: {process.returncode}", "restarted", found, done)
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


@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize("action", ["restore_drill", "restore"])
def test_a_connection_that_is_cut_is_no_loss(place, action, number):
    with running() as server:
        place.transport = server.spec()
        process = place.begin(action)
        assert "plan of" in process.stdout.readline()
        time.sleep(0.5 + 0.7 * number)
        cut(int((server.folder / "sshd.pid").read_text()))
        said = process.communicate(timeout=120)[1]
        found = settled(place)
        done = again(place, action)
        row(action, f"run {number}: {process.returncode}", "ssh cut", found, done)
        assert process.returncode in (0, 4, 5, 6), said
        assert found[0] in ("old", "new")
        assert done.returncode == 0, done.stderr


@contextmanager
def small_disk(place, folder, megabytes):
    """The live database on a small file system of its own."""
    folder.chmod(0o755)
    for each in folder.parents:
        if str(each).startswith("/tmp/"):
            each.chmod(0o755)
    disk = folder / "disk"
    disk.mkdir()
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


def move(place, tablespace):
    place.sql("ALTER DATABASE metachat ALLOW_CONNECTIONS false", "postgres")
    place.sql("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = 'metachat'", "postgres")
    place.sql(f"ALTER DATABASE metachat SET TABLESPACE {tablespace}", "postgres")
    place.sql("ALTER DATABASE metachat ALLOW_CONNECTIONS true", "postgres")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
@pytest.mark.parametrize("action", ["restore_drill", "restore"])
def test_a_disk_that_becomes_full_is_no_loss(place, tmp_path, action):
    with small_disk(place, tmp_path, 80) as disk:
        process = place.begin(action)
        filler = threading.Thread(target=fill_once_begun, args=(place, disk, process))
        filler.start()
        said = process.communicate(timeout=120)[1]
        filler.join()
        found = settled(place)
        (disk / "ballast").unlink()
        done = again(place, action)
        row(action, f"run: {process.returncode}", "disk full", found, done)
        assert process.returncode in (4, 5), said
        assert "No space left on device" in said
        assert found == ("old", True, [])
        assert done.returncode == 0, done.stderr


def fill_once_begun(place, disk, process):
    while process.poll() is None and not place.databases:
        time.sleep(0.01)
    with suppress(OSError), (disk / "ballast").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(65536))
