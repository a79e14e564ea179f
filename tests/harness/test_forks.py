"""A forked run of pytest equals a fresh run, and has a time limit."""

import re

import pytest

from tests.harness.forks import run_pytest
from tests.proving import Rounds

TIMES = re.compile(r"\d+\.\d+s|\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d\.\d+")


@pytest.fixture
def inventory(tmp_path, script):
    """A host whose disk is full."""
    script(tmp_path / "df", "echo 'Mounted on Used Avail Inodes IUsed'; echo '/data 831 169 100 10'")
    host = f'[hosts.vps]\ntransport = "local://"\npath = ["{tmp_path}"]\nmounts."/data" = {{}}\n'
    path = tmp_path / "inventory.toml"
    path.write_text(f'[limits]\ndisk_used = {{ must = "< 80%" }}\n{host}')
    return path


def test_a_forked_run_ends_as_one_that_starts_afresh(prove, inventory, tmp_path):
    ends = [prove(inventory, "checks/disks", reports=tmp_path / "reports", afresh=afresh) for afresh in (True, False)]
    assert [each.status for each in ends] == [1, 1]
    afresh, forked = (TIMES.sub("", each.text) for each in ends)
    assert "FAILED  /data: disk used 83.1 % (limit < 80 %)" in afresh
    assert forked == afresh
    assert len(list((tmp_path / "reports").glob("*.xml"))) == 2


def test_changes_of_a_forked_run_end_with_the_run(tmp_path, repository, monkeypatch):
    (tmp_path / "test_it.py").write_text("import os\n\ndef test_it():\n    assert os.environ.pop('HERE') == 'told'\n")
    for _ in range(2):
        words = ["-c", f"{repository}/pyproject.toml", f"{tmp_path}/test_it.py", "-q"]
        assert run_pytest(words, repository, {"HERE": "told"}, tmp_path / "printed", 60) == 0


def test_a_run_that_takes_too_long_is_ended(tmp_path, repository):
    (tmp_path / "test_it.py").write_text("import time\n\ndef test_it():\n    time.sleep(60)\n")
    words = ["-c", f"{repository}/pyproject.toml", f"{tmp_path}/test_it.py"]
    with pytest.raises(TimeoutError, match="not within 1 s"):
        run_pytest(words, repository, {}, tmp_path / "printed", 1)


@pytest.fixture
def rounds(inventory, tmp_path):
    rounds = Rounds(inventory, tmp_path / "reports")
    assert "failed" in rounds.run().values()
    return rounds


def test_round_that_never_began_has_not_the_verdicts_of_the_one_before(rounds):
    with pytest.raises(AssertionError, match="no round was recorded"):
        rounds.run(("false",))


def test_round_that_leaves_out_a_check_proves_nothing(rounds):
    with pytest.raises(AssertionError, match=r"left out: .*test_disk_has_free_space\[vps-/data\]"):
        rounds.run(options=("--deselect=checks/disks",))
    assert "failed" in rounds.run().values()
