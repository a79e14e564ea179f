"""Checks run by the installed package alone: without the settings, the conftest and the folders of this repository."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from opsproof import plugin

SETTINGS = Path(plugin.__file__).parent / "round" / "pytest.ini"
SUBJECTS = ["-k", "disk or inodes or mount"]


@pytest.fixture
def elsewhere(tmp_path, repository):
    """A folder that has the checks, and nothing else of the repository."""
    shutil.copytree(repository / "checks", tmp_path / "site" / "checks", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "site"


def run(folder, *words):
    words = [sys.executable, "-m", "pytest", "-c", SETTINGS, f"--rootdir={folder}", *words, "checks"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60)


def verdicts(printed):
    return sorted(line.split() for line in printed.splitlines() if line.split()[:1] in (["FAILED"], ["WARNED"]))


def test_verdicts_are_those_of_the_repository(elsewhere, estate, prove, tmp_path):
    inventory = estate(full=831, calm=120)
    found = run(elsewhere, "-m", "daily", *SUBJECTS, f"--inventory={inventory}", f"--reports={tmp_path}/reports")
    here = prove(inventory, "-m", "daily", *SUBJECTS)
    assert (found.returncode, verdicts(found.stdout)) == (here.status, verdicts(here.text)), found.stdout + found.stderr
    assert verdicts(found.stdout)
    assert len(list((tmp_path / "reports").glob("20*.html"))) == 1


def test_every_check_is_collected_and_every_marker_known(elsewhere, repository, tmp_path):
    words = ["--collect-only", "-q", f"--inventory={repository}/inventory/metachat.toml", f"--reports={tmp_path}/r"]
    found = run(elsewhere, *words)
    assert found.returncode == 0, found.stdout + found.stderr
    here = subprocess.run(
        [sys.executable, "-m", "pytest", *words, "checks"], cwd=repository, capture_output=True, text=True, check=True
    )
    assert [line for line in found.stdout.splitlines() if "::" in line] == [
        line for line in here.stdout.splitlines() if "::" in line
    ]


def test_workers_need_no_repository_either(elsewhere, estate, tmp_path):
    inventory = estate(full=831, calm=120)
    found = run(elsewhere, "-n", "2", *SUBJECTS, f"--inventory={inventory}", f"--reports={tmp_path}/reports")
    assert found.returncode == 1, found.stdout + found.stderr
    assert "/data: disk used 83.1 % (limit < 80 %)" in found.stdout
