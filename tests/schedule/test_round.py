"""The checks of the schedule in a daily round, and their remedies as printed."""

import json
import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

LIMIT = '[limits]\nschedule_delay = { must = "< 4h" }\nrotated_age = { must = "< 8d" }\n'
JOB = """
clean_logs = {{ at = "00:00" }}
[hosts.vps-00.pm2]
home = "{0}"
[hosts.vps-00.logs.out]
path = "{0}/out.log"
format = "text"
"""
CHECKS = {
    "test_schedule_matches_inventory[vps-00]",
    "test_schedule_has_one_controller[vps-00]",
    "test_job_runs_when_due[vps-00-clean_logs]",
    "test_last_run_of_job_succeeded[vps-00-clean_logs]",
}


@pytest.fixture
def path(stub, scheduled, tmp_path):
    """The inventory of a host without a schedule in its crontab."""
    (tmp_path / "out.log").write_text("line\n")
    path = scheduled(jobs=JOB.format(tmp_path))
    path.write_text(LIMIT + path.read_text())
    return path


@pytest.fixture
def sh(tmp_path):
    """Runs a command line in the folder of the test."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    def run(line):
        return subprocess.run(
            line, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    return run


def remedies(path):
    """The remedy of each test with a finding, from JUnit XML."""
    for case in ET.parse(path).getroot().iter("testcase"):
        properties = {each.attrib["name"]: each.attrib["value"] for each in case.iter("property")}
        if "remedy" in properties:
            yield case.attrib["name"], properties["remedy"]


@pytest.fixture
def findings(sh, path):
    """The findings of the checks of the schedule: each with its remedy."""

    def found():
        done = sh(f"opsproof daily schedule --inventory={path} --junitxml={path.with_suffix('.xml')}")
        assert done.returncode in (0, 1, 6), done.stdout + done.stderr
        return dict(remedies(path.with_suffix(".xml")))

    return found


@pytest.fixture
def record(tmp_path):
    """Adds a run of the job to the record."""

    def add(age_s, status):
        file = tmp_path / "reports" / "schedule" / "vps-00.jsonl"
        began = time.time() - age_s
        run = {"job": "clean_logs", "event": "ended", "at": began + 1, "began": began, "status": status}
        file.write_text(json.dumps(run) + "\n")

    return add


def test_schedule_that_was_not_installed_is_found_and_installed_by_the_remedy(findings, sh, path):
    found = findings()
    assert set(found) == CHECKS - {"test_schedule_has_one_controller[vps-00]"}
    assert set(found.values()) == {f"opsproof schedule install --inventory={path.name} --host vps-00"}
    assert sh(found.popitem()[1]).returncode == 0
    assert findings() == {}


def test_job_that_did_not_run_is_found_and_run_by_the_remedy(findings, sh, path, record):
    sh(f"opsproof schedule install --inventory={path}")
    record(age_s=3 * 86400, status=0)
    ((test, remedy),) = findings().items()
    assert test == "test_job_runs_when_due[vps-00-clean_logs]"
    assert sh(remedy).returncode == 0
    assert findings() == {}


def test_job_that_failed_is_found_and_repeated_by_the_remedy(findings, sh, path, record):
    sh(f"opsproof schedule install --inventory={path}")
    record(age_s=1, status=4)
    ((test, remedy),) = findings().items()
    assert test == "test_last_run_of_job_succeeded[vps-00-clean_logs]"
    assert sh(remedy).returncode == 0
    assert findings() == {}


def test_edited_crontab_is_found_and_mended_by_the_remedy(findings, sh, path, stub):
    sh(f"opsproof schedule install --inventory={path}")
    before = stub.read_text()
    stub.write_text(before.replace("0 0 * * *", "0 1 * * *"))
    ((test, remedy),) = findings().items()
    assert test == "test_schedule_matches_inventory[vps-00]"
    assert sh(remedy).returncode == 0
    assert stub.read_text() == before
    assert findings() == {}


def test_second_machine_is_found_and_replaced_by_the_remedy(findings, sh, path, tmp_path):
    sh(f"opsproof schedule install --inventory={path}")
    (tmp_path / ".opsproof-controller").write_text("deploy@ops-02\n")
    ((test, remedy),) = findings().items()
    assert test == "test_schedule_has_one_controller[vps-00]"
    assert remedy.partition("  # ")[2] == "or, to leave the host to the other machine: schedule remove"
    assert sh(remedy).returncode == 0
    assert findings() == {}


def test_machine_without_the_schedule_does_not_judge_it(sh, path, tmp_path):
    (tmp_path / ".opsproof-controller").write_text("deploy@ops-02\n")
    done = sh(f"opsproof daily schedule --inventory={path}")
    assert done.returncode == 6
    assert "deploy@ops-02 runs the schedule: run this check there" in done.stdout
