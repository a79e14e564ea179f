"""Owners, links and reviews of an inventory."""

import datetime

import pytest

from opsproof.inventory.load import load
from opsproof.inventory.reviews import Review

REPAIR = "compare the inventory with the host, then set `reviewed`"
DAY = datetime.date(2026, 1, 1)
BASE = 'owner = "base"\nsee = ["https://base"]\nreviewed = 2020-01-01\n[hosts.x]\ntransport = "local://"\n'
FILE = 'extends = "base.toml"\nowner = "ops"\nsee = ["https://file"]\nreviewed = 2026-01-01\nreview_every = "90d"\n'
HOST = '[hosts.vps]\ntransport = "local://"\nsee = ["https://host", "https://file"]\nreviewed = 2026-03-01\n'
MOUNT = '[hosts.vps.mounts."/"]\nowner = "storage"\nsee = ["https://mount"]\n'


@pytest.fixture
def inventory(tmp_path):
    (tmp_path / "base.toml").write_text(BASE, encoding="utf-8")
    (tmp_path / "inventory.toml").write_text(FILE + HOST + MOUNT, encoding="utf-8")
    return load(tmp_path / "inventory.toml")


def test_closest_owner_holds_and_links_add_up(inventory):
    host = inventory.hosts["vps"]
    assert (host.owner_of(), host.owner_of(host.mounts["/"])) == ("ops", "storage")
    assert host.links_of() == ["https://host", "https://file"]
    assert host.links_of(host.mounts["/"]) == ["https://mount", "https://host", "https://file"]


@pytest.mark.parametrize(
    ("days", "problem"),
    [
        (0, ""),
        (90, ""),
        (91, f"t: reviewed on 2026-01-01, 91 days ago (limit 90 d): {REPAIR}"),
        (-1, "t: reviewed: 2026-01-01 is in the future: correct the date"),
    ],
)
def test_review_is_overdue_after_its_limit(days, problem):
    assert Review("t", DAY, 90 * 86400.0).problem(DAY + datetime.timedelta(days=days)) == problem


def test_file_and_hosts_are_reviewed_apart(inventory):
    found = inventory.overdue_reviews(datetime.date(2026, 9, 1))
    assert [line.removeprefix(f"{inventory.path}: ").partition(" on ")[0] for line in found] == [
        "top level: reviewed",
        "hosts.vps: reviewed",
    ]
    assert len(inventory.overdue_reviews(datetime.date(2026, 4, 15))) == 1
