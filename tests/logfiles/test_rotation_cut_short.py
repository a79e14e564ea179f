"""An interrupted rotation: killed on either side, disconnected, or out of disk space; the next run completes it.

The interruptions are spread over the whole rotation. Each time no line may be missing or duplicated, the next run must
succeed, no partial file may remain, and PM2's processes must run.
"""

import os
import signal
import subprocess
import time
from collections import Counter
from contextlib import contextmanager, suppress

import pytest

from lab import processes
from lab.waiting import wait_until
from opsproof.core import scripts
from tests.harness.extent import KILLS, moments
from tests.harness.killing import as_text, await_plan, course_s, ending, once_free
from tests.harness.sshd import running as sshd_running
from tests.logfiles.platform import running

pytestmark = [pytest.mark.lab, pytest.mark.kills]
HITS = max(1, KILLS // 10)
"""Minimum number of interruptions that must hit a running program."""
ROTATING = "# Rotates logs without losing a line"
COMPRESSING = "# Compresses one rotated file."
FIRST_LINE = scripts.perl("facts/json_text").partition("\n")[0]


@pytest.fixture(scope="module")
def platform(lab_tools):
    with running(lab_tools) as platform:
        platform.await_lines()
        yield platform


@pytest.fixture(scope="module")
def rotation_s(platform):
    """Duration of an uninterrupted rotation in seconds, from plan to end."""
    return course_s(_start(platform))


def _start(platform, transport="local://"):
    words = platform.words("rotate_logs", "--apply", transport=transport)
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


@contextmanager
def _planned(platform, transport="local://"):
    """A rotation that has just shown its plan; ended with the block."""
    with ending(_start(platform, transport)) as process:
        await_plan(process)
        yield process


def _leftover(platform):
    """The kind of leftover after an interruption."""
    names = [path.name for path in platform.logs.iterdir()]
    found = {
        "no current file": "app.log" not in names,
        "unfinished file": any(name.endswith((".part", ".new")) for name in names),
        "both files": any(f"{name}.gz" in names for name in names),
        "plain file": any(name.startswith("app__") and name.endswith(".log") for name in names),
    }
    return next((word for word, is_so in found.items() if is_so), "nothing")


def _finish(platform, transport="local://"):
    """Runs the action once the host lock is free; the result must equal that of an uninterrupted run."""
    wait_until(lambda: not platform.is_halted(), "the writer goes on", 10)
    done = once_free(lambda: platform.run("rotate_logs", "--apply", transport=transport))
    assert done.returncode == 0, done.stdout + done.stderr
    assert _leftover(platform) == "nothing"
    missing, platform.doubled = platform.missing(), 0
    assert (missing, platform.doubled) == (0, 0)
    assert not platform.is_halted()


def _summary(who, at, leftovers):
    said = ", ".join(f"{count} x {left}" for left, count in sorted(leftovers.items()))
    return f"{who} at {as_text(at)} and {sum(leftovers.values()) - len(at)} times as it began; leftovers: {said}"


def test_killed_controller(platform, rotation_s, note):
    leftovers, hits, at = Counter(), 0, moments("rotate_logs where it is run from")
    for moment in at:
        with _planned(platform) as process:
            time.sleep(moment * rotation_s)
            hits += process.poll() is None
            process.kill()
        leftovers[_leftover(platform)] += 1
        _finish(platform)
    assert hits, "every kill came too late"
    note(_summary(f"SIGKILL of the controller, which lasts {rotation_s:.2f} s,", at, leftovers))


def _kill(pid):
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _programs(platform, text):
    """Processes of a host program, without the guard process, a child of the program."""
    lines = {pid: processes.command(pid) for pid in processes.pids()}
    words = (text, "perl", str(platform.folder))
    found = {pid for pid, line in lines.items() if all(each in line for each in words)}
    return [pid for pid in found if processes.state(pid) != "X" and processes.parent(pid) not in found]


def _running_programs(platform, text):
    """Processes of the program itself; the gatherer's command line contains the text only in hexadecimal."""
    return [pid for pid in _programs(platform, text) if processes.command(pid).startswith(f"perl -e {FIRST_LINE}")]


def _moments_until_hits(at, enough):
    """Yields the moments, then None (interrupt when the program starts) until enough hits."""
    yield from at
    for _ in range(20):
        if enough():
            return
        yield None


def _wait_for_program(platform, text, process):
    """Waits for the program to start; empty if the action ends before."""
    found = []

    def begins():
        found[:] = _running_programs(platform, text)
        return found or process.poll() is not None

    wait_until(begins, "the program begins", 60, every_s=0.001)
    return found


@pytest.mark.parametrize(
    ("name", "text", "lasts_s"),
    [("rotate", ROTATING, 0.12), ("compress", COMPRESSING, 0.09)],
    ids=["rotate", "compress"],
)
def test_killed_host_program(platform, name, text, lasts_s, note):
    leftovers, hits, at = Counter(), [], moments(f"{name}.pl")
    for moment in _moments_until_hits(at, lambda: len(hits) >= HITS):
        process = subprocess.Popen(platform.words("rotate_logs", "--apply"), stdout=subprocess.DEVNULL)
        found = _wait_for_program(platform, text, process)
        time.sleep((moment or 0) * lasts_s)
        hits.extend(pid for pid in found if processes.is_alive(pid))
        for pid in found:
            _kill(pid)
        leftovers[_leftover(platform)] += 1
        assert process.wait(timeout=60) in (0, 4)
        _finish(platform)
    assert len(hits) >= HITS
    note(_summary(f"SIGKILL of {name}.pl on the host, {len(hits)} while it ran,", at, leftovers))


def test_lost_ssh_connection(platform, rotation_s, note):
    leftovers, statuses, at = Counter(), Counter(), moments("rotate_logs over ssh")
    with sshd_running() as server:
        for moment in _moments_until_hits(at, lambda: statuses[4] >= HITS):
            with _planned(platform, server.spec()) as process:
                if moment is None:
                    _wait_for_program(platform, ROTATING, process)
                else:
                    time.sleep(moment * rotation_s)
                for pid in _sessions(server):
                    _kill(pid)
                leftovers[_leftover(platform)] += 1
                statuses[process.wait(timeout=90)] += 1
            _finish(platform, server.spec())
    assert set(statuses) <= {0, 4, 5, 6}  # 5: proof interrupted; 6: interrupted before the first step
    assert statuses[4] >= HITS
    note(_summary(f"ssh connection cut, {statuses[4]} in a step,", at, leftovers))


def _sessions(server):
    """The server's connection processes, without the listener."""
    listener = int((server.folder / "sshd.pid").read_text())
    return [pid for pid in processes.pids() if processes.parent(pid) == listener]


def test_no_line_is_missing_after_all_interruptions(platform, note):
    written, seconds = platform.finish()
    numbers = list(platform.numbers([*platform.rotated(), platform.current]))
    assert numbers == list(range(platform.seen, written))
    note(f"{written} lines in {seconds:.0f} s, {written / seconds:.0f} a second: none missing, none doubled")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
@pytest.mark.parametrize("limit", ["bytes", "inodes"])
def test_full_disk(lab_tools, limit):
    with running(lab_tools, start=False) as platform:
        mount = ["mount", "-t", "tmpfs", "-o", "size=32m,nr_inodes=10", "opsproof", platform.logs]
        subprocess.run(mount, check=True)
        try:
            platform.start(50_000)
            platform.await_lines(1_000_000)
            written, _ = platform.finish()
            _rotate_without_space(platform, limit)
            assert list(platform.numbers([*platform.rotated(), platform.current])) == list(range(written))
        finally:
            platform.pm2("kill")
            subprocess.run(["umount", platform.logs], check=True)


def _rotate_without_space(platform, limit):
    """Fills the file system, rotates, frees space, rotates again."""
    ballast = [platform.logs / f"ballast-{number}" for number in range(7 if limit == "inodes" else 1)]
    for path in ballast:
        path.write_bytes(b"" if limit == "inodes" else b"x" * _free_bytes(platform.logs, 20_000))
    done = platform.run("rotate_logs", "--apply")
    if limit == "inodes":
        assert done.returncode == 4, done.stdout + done.stderr
        assert "No space left on device" in done.stderr
        assert not platform.rotated()
    else:
        assert done.returncode == 0, done.stdout + done.stderr
        assert "app.log: 1 not compressed: only " in done.stdout
        assert [path.suffix for path in platform.rotated()] == [".log"]
    for path in ballast:
        path.unlink()
    assert platform.run("rotate_logs", "--apply").returncode == 0
    assert [path.suffix for path in platform.rotated()] == [".gz"]


def _free_bytes(folder, reserve):
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize - reserve
