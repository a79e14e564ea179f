"""Errors of usage: one line, before any host is contacted."""

import os
import subprocess
import sys

import pytest

DISKS = "checks/disks"


def test_pytest_without_arguments_prints_usage_and_contacts_no_host(estate, prove, gathers):
    found = prove(estate(calm=120), afresh=True)
    assert found.status == 4
    assert "pytest -m daily" in found.text
    assert list(found.reports.iterdir()) == []
    assert gathers("calm") == 0


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[hosts.calm]\n", "hosts.calm: transport is missing"),
        (None, "no such file or directory: give --inventory=FILE"),
    ],
)
def test_invalid_inventory_is_a_usage_error_in_one_line(prove, tmp_path, text, complaint):
    path = tmp_path / "inventory.toml"
    if text is not None:
        path.write_text(text)
    found = prove(path, DISKS, afresh=True)
    assert found.status == 4
    (line,) = [line for line in found.text.splitlines() if line.strip()]
    assert line.startswith(f"ERROR: {path}: ")
    assert complaint in line


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--facts="], "--facts: the value is empty"),
        (["--save-facts="], "--save-facts: the value is empty"),
        (["--reports", ""], "--reports: the value is empty"),
        (["--inventory=other.toml"], "--inventory: given twice"),
    ],
)
def test_empty_or_repeated_option_is_a_usage_error_in_one_line(estate, prove, words, complaint, gathers):
    found = prove(estate(calm=120), DISKS, *words, afresh=True)
    (line,) = [line for line in found.text.splitlines() if line.strip()]
    assert (found.status, line.startswith(f"ERROR: {complaint}")) == (4, True), line
    assert gathers("calm") == 0


def test_empty_variable_of_the_environment_is_a_usage_error(repository):
    environment = {**os.environ, "OPSPROOF_INVENTORY": ""}
    words = [sys.executable, "-m", "pytest", DISKS]
    done = subprocess.run(words, cwd=repository, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip()[:36]) == (4, "ERROR: --inventory: the value is emp")


def test_missing_saved_facts_are_a_usage_error(estate, prove, tmp_path, gathers):
    found = prove(estate(calm=120), DISKS, f"--facts={tmp_path}/nothing.json")
    assert found.status == 4
    assert "nothing.json: not a file of saved facts" in found.text
    assert gathers("calm") == 0


def nested(path):
    path.write_text("[" * 5000 + "]" * 5000)


def with_a_long_number(path):
    path.write_text('{"calm": ' + "9" * 6000 + "}")


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (nested, "not a file of saved facts: nested too deeply"),
        (with_a_long_number, "not a file of saved facts: Exceeds the limit (4300 digits)"),
        (os.mkfifo, "is no file: "),
    ],
)
def test_unreadable_saved_facts_are_a_usage_error_in_one_line(estate, prove, tmp_path, make, complaint):
    make(tmp_path / "facts.json")
    found = prove(estate(calm=120), DISKS, f"--facts={tmp_path}/facts.json", afresh=True)
    (line,) = [line for line in found.text.splitlines() if line.strip()]
    assert (found.status, complaint in line) == (4, True), line


def test_round_in_another_folder_is_a_usage_error(estate, tmp_path):
    words = [sys.executable, "-m", "pytest", "-p", "opsproof.plugin", "-m", "daily"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    message = f"ERROR: no checks in {tmp_path}: run pytest in the folder of opsproof"
    assert (done.returncode, done.stderr.strip()) == (4, message)


def test_unknown_check_contacts_no_host(estate, prove, gathers):
    assert prove(estate(calm=120), f"{DISKS}/test_nothing.py").status == 4
    assert gathers("calm") == 0
