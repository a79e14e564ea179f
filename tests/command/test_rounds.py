"""Rounds started by `opsproof` in a clone."""

import subprocess
import sys

import pytest


@pytest.fixture
def daily(forked):
    """Runs the daily round in another folder than the clone."""
    return lambda *words, of_round="daily": forked(of_round, *words)


def listed(printed):
    return [line for line in printed.splitlines() if "::" in line]


def test_round_has_the_checks_of_pytest_in_the_clone(daily, repository):
    inventory = f"--inventory={repository}/inventory/metachat.toml"
    found = daily("--collect-only", "-q", inventory)
    words = [sys.executable, "-m", "pytest", "-m", "daily", "--collect-only", "-q", inventory]
    here = subprocess.run(words, cwd=repository, capture_output=True, text=True, check=True)
    assert found.returncode == 0, found.stdout + found.stderr
    assert listed(found.stdout) == listed(here.stdout) != []


def test_round_of_one_host_is_recorded_as_a_round(daily, estate, tmp_path):
    found = daily("--host=full", f"--inventory={estate(full=831, calm=120)}")
    assert (found.returncode, "[calm-" in found.stdout) == (1, False)
    assert len(list((tmp_path / "reports").glob("*_daily.html"))) == 1


def test_foreign_conftest_of_the_current_folder_is_not_run(daily, estate, tmp_path):
    (tmp_path / "conftest.py").write_text("raise SystemExit(99)", encoding="utf-8")
    assert daily("disks", f"--inventory={estate(calm=120)}").returncode == 0


def test_remedy_works_in_the_current_folder(daily, too_old, repository):
    found = daily(f"--inventory={too_old}", of_round="weekly")
    (command,) = [line.partition("next: ")[2] for line in found.stdout.splitlines() if "next: " in line]
    assert command.endswith(" --host h --apply out")
    assert f"{repository}/actions/clean_logs.py --inventory=too-old.toml" in command
    plan = ["sh", "-c", command.replace(" --apply", "")]
    done = subprocess.run(plan, cwd=too_old.parent, capture_output=True, text=True, check=False)
    assert (done.returncode, "out__2020" in done.stdout) == (0, True), done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--hots=x"], "unknown option '--hots': did you mean '--host'? see opsproof daily --help"),
        (["disk"], "unknown subject 'disk': did you mean 'disks'? see opsproof daily --help"),
        (["--host=nowhere"], "unknown host 'nowhere'; choose calm"),
        (["-m", "weekly"], "-m is not valid: the round is daily; select checks by -k, or see opsproof --help"),
        (["--host="], "--host: the value is empty (an unset shell variable?)"),
    ],
)
def test_mistake_is_a_line(daily, estate, words, message):
    found = daily(f"--inventory={estate(calm=120)}", *words)
    assert (found.returncode, found.stderr.strip().partition(": ")[2]) == (4, message)
