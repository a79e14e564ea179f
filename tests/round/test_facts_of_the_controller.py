"""Facts of a schedule are measured where the scheduler is: on this machine, or on the host."""

import shutil
from pathlib import Path

import pytest

from opsproof.inventory.hosts import Host
from opsproof.round.gathering import gather

STUB = Path(__file__).parents[2] / "lab" / "stubs" / "crontab"
KEYS = [("installed_schedule", ""), ("job_results", ""), ("memory", "")]
DEAD = "ssh://nobody@127.0.0.1:1"


@pytest.fixture
def host(tmp_path):
    """A host with a crontab of its own in its search path."""
    (tmp_path / "bin").mkdir()
    shutil.copy(STUB, tmp_path / "bin" / "crontab")
    (tmp_path / "bin" / "crontab.table").write_text("# of the host\n")

    def declared(transport, on):
        schedule = {"on": on, "folder": str(tmp_path)}
        jobs = {"daily": {"at": "07:00"}}
        return Host(transport=transport, path=[str(tmp_path / "bin")], schedule=schedule, jobs=jobs).placed("vps", ())

    return declared


def test_schedule_of_this_machine_is_read_while_the_host_is_down(host):
    found = gather(host(DEAD, "controller"), KEYS, None)
    assert found.unreachable
    assert set(found.answers) == {"installed_schedule", "job_results"}
    assert found.answers["installed_schedule"].stdout != "# of the host\n"


def test_schedule_of_the_host_is_read_in_its_round_trip(host, sshd):
    found = gather(host(sshd, "host"), KEYS, None)
    assert found.answers["installed_schedule"].stdout == "# of the host\n"
    assert found.round_trips["shell"] == 1
    assert set(gather(host(DEAD, "host"), KEYS, None).answers) == set()


def test_schedule_of_this_machine_is_no_round_trip_to_the_host(host, sshd):
    found = gather(host(sshd, "controller"), KEYS, None)
    assert found.answers["installed_schedule"].stdout != "# of the host\n"
    assert (found.round_trips["shell"], found.answers["memory"].status) == (1, 0)
