"""Rotation of a log to which a real PM2 writes 10,000 lines a second."""

import os
import shutil
import signal
import subprocess
import time

import pytest

from lab.waiting import wait_until
from opsproof.core.units import show
from tests.harness.extent import FULL
from tests.harness.killing import await_plan, ending
from tests.logfiles.platform import running

pytestmark = pytest.mark.lab
ROTATIONS = 50 if FULL else 5
RATE = 10_000


@pytest.fixture
def platform(lab_tools):
    with running(lab_tools, RATE) as platform:
        platform.await_lines()
        yield platform


@pytest.fixture(scope="module")
def idle_platform(lab_tools):
    """A PM2 without a writer, for tests that leave the logs unchanged."""
    with running(lab_tools, RATE) as platform:
        platform.await_lines()
        platform.finish()
        yield platform


def test_many_rotations_lose_or_duplicate_no_line(platform):
    for _ in range(ROTATIONS):
        done = platform.run("rotate_logs", "--apply")
        assert (done.returncode, done.stderr) == (0, "")
    written, _ = platform.finish()
    assert len(platform.rotated()) == ROTATIONS
    assert {path.suffix for path in platform.rotated()} == {".gz"}
    assert list(platform.numbers([*platform.rotated(), platform.current])) == list(range(written))


def test_the_plan_lists_files_with_their_sizes_and_changes_nothing(idle_platform):
    size = idle_platform.current.stat().st_size
    done = idle_platform.run("rotate_logs")
    assert done.returncode == 0
    assert f"rotate app.log ({show(size, 'bytes')})" in done.stdout
    assert "compress 1 rotated file of app.log" in done.stdout
    assert idle_platform.current.stat().st_size == size
    assert not idle_platform.rotated()


def test_empty_files_are_not_rotated(platform):
    platform.finish()
    assert platform.run("rotate_logs", "--apply").returncode == 0
    again = platform.run("rotate_logs", "--apply")
    assert (again.returncode, again.stdout) == (0, "rotate_logs: nothing to do\n")


def test_only_named_log_is_rotated(idle_platform):
    done = idle_platform.run("rotate_logs", "app-error", "--apply")
    assert (done.returncode, done.stdout) == (0, "rotate_logs: nothing to do\n")
    assert idle_platform.run("rotate_logs", "other").returncode == 2
    assert not idle_platform.rotated()


def test_missing_daemon_is_refused_and_not_started(platform):
    platform.finish()
    platform.pm2("kill")
    done = platform.run("rotate_logs", "--apply")
    assert done.returncode == 3
    assert "no PM2 daemon is running" in done.stderr
    assert not platform.rotated()
    assert not (platform.folder / "pm2" / "pm2.pid").exists()


def test_file_with_foreign_writer_is_refused(platform):
    with platform.current.open("a"):
        done = platform.run("rotate_logs", "--apply")
    assert done.returncode == 3
    assert f"process {os.getpid()} writes to app.log, but is not the PM2 daemon" in done.stderr
    assert not platform.rotated()


@pytest.mark.parametrize("words", [["rotate_logs"], ["clean_logs", "--flush"]], ids=str)
def test_log_that_is_a_symbolic_link_is_refused_and_stays(platform, tmp_path, words):
    target = tmp_path / "target.log"
    platform.finish()
    shutil.copy(platform.current, target)
    platform.current.unlink()
    platform.current.symlink_to(target)
    size = target.stat().st_size
    for more in ([], ["--apply"]):
        done = platform.run(*words, *more)
        message = f"{platform.current} is a symbolic link or no file: declare the path of the file itself"
        assert (done.returncode, message in done.stderr) == (3, True)
    assert (platform.current.is_symlink(), target.stat().st_size, platform.rotated()) == (True, size, [])


def test_removed_current_file_is_reopened(platform):
    platform.current.unlink()
    done = platform.run("rotate_logs", "--apply")
    assert done.returncode == 0, done.stderr
    assert "reopen app.log" in done.stdout
    wait_until(lambda: platform.current.stat().st_size > 0, "PM2 writes to the new file")


def test_concurrent_run_is_refused_and_holder_named(platform):
    words = platform.words("rotate_logs", "--apply")
    with ending(subprocess.Popen(words, stdout=subprocess.PIPE, text=True)) as first:
        await_plan(first)
        first.send_signal(signal.SIGSTOP)  # the first must not finish before the second begins
        second = platform.run("rotate_logs", "--apply")
        first.send_signal(signal.SIGCONT)
        assert second.returncode == 3
        assert f"vps is locked, held by rotate_logs, process {first.pid} of " in second.stderr
        assert first.wait(timeout=60) == 0


@pytest.fixture
def aged(idle_platform):
    """Rotated files of a declared log, by several programs, and of undeclared ones; ages in hours."""
    paths, marks = [], (("app", 7 * 24 - 3), ("app", 7 * 24 - 5), ("my-app", 1000), ("app-old", 1000))
    names = {f"{name}__2026-01-01_00-00-{hours % 60:02d}.log.gz": hours for name, hours in marks}
    for name, hours in {**names, "app.log.2.gz": 1000, "app-20260101.log": 1000, "app.8080.log": 1000}.items():
        path = idle_platform.logs / name
        path.write_bytes(b"\x1f\x8b")
        age = path.stat().st_mtime - hours * 3600
        os.utime(path, (age, age))
        paths.append(path)
    yield idle_platform
    for path in paths:
        path.unlink(missing_ok=True)


def test_only_expired_files_of_declared_logs_are_removed(aged):
    done = aged.run("clean_logs", "--apply")
    assert done.returncode == 0, done.stderr
    left = sorted(path.name.split("__")[0] for path in aged.logs.glob("*[0-9].*"))
    assert left == ["app", "app-old", "app.8080.log", "my-app"]
    doubt = "app.log: app.8080.log may belong to another log: declare that log, or remove the file\n"
    assert aged.run("clean_logs", "--apply").stdout == doubt + "clean_logs: nothing to do\n"


@pytest.mark.parametrize(
    ("name", "status", "said"),
    [("app__2026-01-01_00-00-00.log", 3, "run rotate_logs.py first"), ("app.log.1", 0, "have it reopen its log")],
)
def test_expired_file_in_use_is_refused_or_left_by_plan_and_run(idle_platform, name, status, said):
    old = idle_platform.logs / name
    with old.open("wb"):
        os.utime(old, (1000, 1000))
        for more in ((), ("--apply",)):
            done = idle_platform.run("clean_logs", *more)
            assert (done.returncode, said in done.stdout + done.stderr) == (status, True), done.stderr
            assert f"process {os.getpid()} still writes to {name}" in done.stdout + done.stderr
    idle_platform.run("clean_logs", "--apply")
    assert not old.exists()


def test_expired_plain_file_is_removed_without_compression(idle_platform):
    old = idle_platform.logs / "app-error__2026-01-01_00-00-00.log"
    old.write_text("old\n")
    os.utime(old, 2 * (time.time() - 1000 * 3600,))
    done = idle_platform.run("rotate_logs", "app-error", "--apply")
    assert done.returncode == 0, done.stderr
    assert f"remove {old.name}" in done.stdout
    assert not list(idle_platform.logs.glob(f"{old.name}*"))


def test_files_expired_after_plan_are_left_for_next_run(platform):
    platform.finish()
    old = platform.logs / "app__2026-01-01_00-00-00.log.gz"
    old.write_bytes(b"\x1f\x8b")
    expires = time.time() + 5
    os.utime(old, 2 * (expires - (7 * 24 - 4) * 3600,))
    words = platform.words("rotate_logs", "--apply")
    with ending(subprocess.Popen(words, stdout=subprocess.PIPE, text=True)) as process:
        await_plan(process)
        process.send_signal(signal.SIGSTOP)
        assert time.time() < expires, "the plan took too long"
        wait_until(lambda: time.time() > expires + 1, "the file expires")  # the host's clock has whole seconds
        process.send_signal(signal.SIGCONT)
        assert process.wait(timeout=60) == 0
    assert old.exists()
    assert platform.run("rotate_logs", "--apply").returncode == 0
    assert not old.exists()


def test_flush_lists_lost_lines_and_truncates(platform):
    written, _ = platform.finish()
    size = platform.current.stat().st_size
    said = platform.run("clean_logs", "--flush").stdout
    assert f"in {written} lines are lost" in said
    assert platform.current.stat().st_size == size
    assert platform.run("clean_logs", "--flush", "--apply").returncode == 0
    assert platform.current.stat().st_size == 0
