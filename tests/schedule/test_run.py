"""`opsproof schedule run`: once for each firing, recorded, and silent unless something is wrong."""

import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

LOG = '[hosts.vps-00.pm2]\nhome = "{0}"\n[hosts.vps-00.logs.out]\npath = "{0}/out.log"\nformat = "text"\n'
LIMIT = '[limits]\nrotated_age = { must = "< 8d" }\n'
JOB = 'clean_logs = { at = "00:00" }\ndaily = { at = "00:00", options = ["-k", "nothing_of_this_name"] }\n'


@pytest.fixture
def run(scheduled, tmp_path):
    """Runs a job in a process of its own, in the folder of the test."""
    path = scheduled(jobs=JOB + LOG.format(tmp_path))
    path.write_text(LIMIT + path.read_text())
    (tmp_path / "out.log").write_text("line\n")

    def ran(job, *words):
        words = [sys.executable, "-m", "opsproof", "schedule", "run", job, f"--inventory={path}", *words]
        return subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)

    return ran


@pytest.fixture
def expired(tmp_path):
    """Makes a rotated file past its retention: work for `clean_logs`."""

    def make():
        old = tmp_path / "out__2020-01-01_00-00-00.log"
        old.write_text("line\n")
        os.utime(old, (1e9, 1e9))
        return old

    return make


def record(tmp_path):
    lines = (tmp_path / "reports" / "schedule" / "vps-00.jsonl").read_text().splitlines()
    return list(map(json.loads, lines))


def test_second_firing_ends_at_once_where_the_record_has_the_run(run, expired, tmp_path):
    first = expired()
    done = run("clean_logs")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not first.exists()
    assert [(each["event"], each.get("status")) for each in record(tmp_path)] == [("begun", None), ("ended", 0)]
    second = expired()
    again = run("clean_logs")
    assert (again.returncode, "ran at " in again.stdout, second.exists()) == (0, True, True)
    assert run("clean_logs", "--again").returncode == 0
    assert not second.exists()
    assert "done and proven" in (tmp_path / "reports" / "schedule" / "vps-00-clean_logs.log").read_text()


def test_job_that_was_killed_runs_again(run, expired, tmp_path):
    state = tmp_path / "reports" / "schedule"
    state.mkdir(parents=True)
    (state / "vps-00.jsonl").write_text(json.dumps({"job": "clean_logs", "event": "begun", "at": time.time()}) + "\n")
    old = expired()
    assert run("clean_logs").returncode == 0
    assert not old.exists()


def test_run_of_an_earlier_firing_does_not_count(run, expired, tmp_path):
    state = tmp_path / "reports" / "schedule"
    state.mkdir(parents=True)
    earlier = {"job": "clean_logs", "event": "ended", "at": time.time(), "began": time.time() - 86400, "status": 0}
    (state / "vps-00.jsonl").write_text(json.dumps(earlier) + "\n")
    old = expired()
    assert run("clean_logs").returncode == 0
    assert not old.exists()


def test_status_and_output_of_a_job_that_failed_are_printed(run, tmp_path):
    failed = run("daily")
    assert failed.returncode == 5
    assert failed.stdout.startswith(
        "vps-00: daily ended with status 5 (output also in reports/schedule/vps-00-daily.log)"
    )
    assert record(tmp_path)[-1]["status"] == 5


def test_job_runs_although_it_cannot_be_recorded(run, expired, tmp_path):
    (tmp_path / "reports" / "schedule" / "vps-00.jsonl").mkdir(parents=True)
    old = expired()
    ran = run("clean_logs", "--again")
    assert (ran.returncode, old.exists()) == (0, False)
    assert "the record of the schedule cannot be written" in ran.stderr


@pytest.mark.parametrize("content", ["{}\n", "no json\n", '{"job": "clean_logs", "event": "ended", "at": 0}\n'])
def test_job_runs_although_its_record_cannot_be_read(run, expired, tmp_path, content):
    state = tmp_path / "reports" / "schedule"
    state.mkdir(parents=True)
    (state / "vps-00.jsonl").write_text(content)
    old = expired()
    ran = run("clean_logs")
    assert (ran.returncode, old.exists()) == (0, False)
    assert "the record of the schedule does not count: the record of the schedule cannot be read" in ran.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a small file system")
def test_full_disk_stops_no_job(run, expired, tmp_path):
    state = tmp_path / "reports"
    state.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "small", state], check=True)
    try:
        (state / "schedule").mkdir()
        with suppress(OSError):
            (state / "filler").write_bytes(b"x" * 20_000)
        old = expired()
        ran = run("clean_logs", "--reports=elsewhere")
        assert (ran.returncode, old.exists()) == (0, False)
        assert "the record of the schedule cannot be written" in ran.stderr
        assert "the output cannot be kept" in ran.stderr
    finally:
        subprocess.run(["umount", state], check=True)


def test_job_of_a_host_that_another_machine_has_taken_over_leaves(run, expired, tmp_path):
    (tmp_path / ".opsproof-controller").write_text("deploy@ops-02\n")
    old = expired()
    left = run("clean_logs")
    assert (left.returncode, old.exists()) == (3, True)
    assert "the schedule of vps-00 is run by deploy@ops-02" in left.stderr
    assert not (tmp_path / "reports" / "schedule" / "vps-00.jsonl").exists()


def test_unknown_job_is_a_usage_error(run):
    wrong = run("vacuum")
    assert (wrong.returncode, "unknown job 'vacuum' of vps-00; choose clean_logs or daily" in wrong.stderr) == (2, True)


def test_installed_line_runs_as_cron_runs_it(scheduled, tmp_path, expired):
    """By sh, with cron's small environment, and `%` unescaped."""
    path = scheduled(jobs='clean_logs = { at = "first Sunday 00:00" }\n' + LOG.format(tmp_path))
    path.write_text(LIMIT + path.read_text())
    (tmp_path / "out.log").write_text("line\n")
    words = [sys.executable, "-m", "opsproof", "schedule", "show", f"--inventory={path}"]
    shown = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    (line,) = [each for each in shown.splitlines() if "schedule run" in each]
    command = line.split(maxsplit=5)[5].replace("\\%", "%").replace("date +%d", "echo 07")
    (tmp_path / "reports" / "schedule").mkdir(parents=True)
    old = expired()
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(Path.home()), "SHELL": "/bin/sh", "LOGNAME": "root"}
    ran = subprocess.run(
        ["/bin/sh", "-c", command], cwd="/", env=environment, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout, ran.stderr, old.exists()) == (0, "", "", False)
