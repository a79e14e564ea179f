"""The time by which the next run of a round is due."""

import datetime
from zoneinfo import ZoneInfo

import pytest

from opsproof.inventory.load import load
from opsproof.round import due
from opsproof.round.due import due_times

JOBS = """
[hosts.{name}]
transport = "{transport}"
[hosts.{name}.schedule]
{schedule}
[hosts.{name}.jobs.daily]
at = "02:00"
[hosts.{name}.jobs.extra]
run = "daily"
at = "Monday 14:00"
[hosts.{name}.jobs.backup]
at = "03:00"
"""
HERE = JOBS.format(name="here", transport="local://", schedule='on = "host"\nfolder = "/srv"')
NEAR = JOBS.format(name="near", transport="ssh://near", schedule="")
AWAY = JOBS.format(name="away", transport="ssh://away", schedule='on = "host"\nfolder = "/srv"')
NONE = '[hosts.none]\ntransport = "local://"\n'


def at(*moment):
    return datetime.datetime(*moment, tzinfo=ZoneInfo("Europe/Berlin")).timestamp()


@pytest.fixture
def inventory(tmp_path, monkeypatch):
    monkeypatch.setattr(due, "_zone", lambda: ZoneInfo("Europe/Berlin"))
    (tmp_path / "due.toml").write_text(HERE + NEAR + AWAY + NONE)
    return load(tmp_path / "due.toml")


@pytest.mark.parametrize(
    ("started", "firing"),
    [
        (at(2026, 12, 1, 2, 0, 5), at(2026, 12, 2, 2)),  # a Tuesday
        (at(2026, 12, 1, 1, 59), at(2026, 12, 1, 2)),
        (at(2026, 11, 30, 2, 0, 5), at(2026, 11, 30, 14)),
        (at(2026, 3, 28, 2, 0, 5), at(2026, 3, 29, 3)),  # the clock skips 02:00
    ],
)
def test_next_firing_of_any_job_of_the_round_counts(inventory, started, firing):
    found = due_times(inventory, "daily", started)
    assert found == {
        "here": firing + due.GRACE_S,
        "near": firing + due.GRACE_S,
        "away": firing + due.GRACE_S + 86_400,
    }
    assert due_times(inventory, "weekly", started) == {}


def test_unknown_time_zone_gives_no_due_time(inventory, monkeypatch):
    monkeypatch.setattr(due, "_zone", lambda: None)
    assert due_times(inventory, "daily", 0.0) == {}
