"""Restores to a moment: what was committed before it is there and nothing else; killed on the way, it is repeated."""

import os

import pytest

from opsproof.restore.moment import moment as read
from tests.pgbackrest.acting import beside, between, bodies, comes_to_an_end, is_served, killed

pytestmark = pytest.mark.pgbackrest


@pytest.fixture
def moment(site):
    return between(site)


def test_a_plan_says_what_is_lost_and_changes_nothing(site, moment):
    done = site.action("restore", "--to", moment)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"all that was committed after {read(moment).shown}" in done.stdout
    assert beside(site) == []


def test_a_moment_comes_back_and_the_cluster_goes_on_archiving(site, moment):
    done = site.action("restore", "--to", moment, "--apply")
    assert (done.returncode, done.stderr) == (0, "")
    assert bodies(site, 1) == ["wanted"]
    assert beside(site) == ["before"]
    site.write("on the new timeline")
    site.archive()
    assert list(site.repo.glob("archive/metachat/*-1/00000002.history"))
    assert site.action("backup", "--apply").returncode == 0
    drilled = site.action("restore_drill", "--apply")
    assert (drilled.returncode, drilled.stderr) == (0, "")
    dropped = site.action("restore", "--drop-old", "--apply")
    assert (dropped.returncode, dropped.stderr) == (0, "")
    assert beside(site) == []
    assert bodies(site, 1) == ["on the new timeline"]


def test_the_end_of_the_log_brings_back_even_what_is_archived_at_the_last_moment(site):
    site.write("at the last moment")
    done = site.action("restore", "--apply")
    assert (done.returncode, done.stderr) == (0, "")
    assert bodies(site, 1) == ["at the last moment"]
    assert beside(site) == ["before"]


def test_a_lost_data_directory_comes_back(site, moment):
    site.stop()
    site.run("rm", "-rf", site.data)
    done = site.action("restore", "--to", moment, "--apply")
    assert (done.returncode, done.stderr) == (0, "")
    assert bodies(site, 1) == ["wanted"]
    assert beside(site) == []


def test_into_a_directory_nothing_is_swapped_and_the_copy_archives_nothing(site, moment):
    copy = site.home / "data_copy"
    done = site.action("restore", "--to", moment, "--into", str(copy), "--apply")
    assert (done.returncode, done.stderr) == (0, "")
    assert bodies(site, 1) == ["unwanted"]
    assert "archive_mode = 'off'" in (copy / "postgresql.auto.conf").read_text()
    assert site.action("restore", "--into", str(copy)).returncode == 2
    assert site.action("restore", "--into", str(site.data)).returncode == 2


def test_a_moment_after_the_last_commit_is_said_and_leaves_nothing(site, moment):
    later = site.sql("SELECT clock_timestamp()")
    done = site.action("restore", "--to", later, "--apply")
    assert done.returncode == 4
    assert "nothing that is in the archive was committed later, leave --to out" in done.stderr
    assert beside(site) == []
    assert bodies(site, 1) == ["unwanted"]


def test_a_cluster_that_does_not_start_gives_its_place_back(site, moment):
    """The command that starts refuses while the restored one has the place."""
    inventory = site.inventory(site.home / "inventory.toml")
    stumbling = site.home / "start"
    stumbling.write_text(f'#!/bin/sh\n[ -e {site.data}/opsproof.mark ] && exit 1\nexec "$@"\n')
    stumbling.chmod(0o755)
    text = inventory.read_text().replace('start = ["', f'start = ["{stumbling}", "')
    inventory.write_text(text)
    if os.geteuid() == 0:
        stumbling.write_text(
            stumbling.read_text().replace("[ -e", "sudo -n -u postgres test -e").replace(" ] &&", " &&")
        )
    done = site.action("restore", "--to", moment, "--apply", "--up=2")
    assert done.returncode == 4
    assert "what served before serves again" in done.stderr
    assert bodies(site, 1) == ["unwanted"]
    assert beside(site) == ["restoring"]
    site.inventory(inventory)
    site.action("restore", "--drop-old", "--apply")
    assert beside(site) == []


def test_without_commands_that_stop_and_start_nothing_is_begun(site, moment):
    inventory = site.inventory(site.home / "inventory.toml")
    lines = [line for line in inventory.read_text().splitlines() if not line.startswith("stop = ")]
    inventory.write_text("\n".join(lines))
    done = site.action("restore", "--to", moment, "--apply")
    assert done.returncode == 2
    assert "stop and start are missing: or restore with --into" in done.stderr


@pytest.mark.kills
@pytest.mark.parametrize("whom", ["action", "host"])
@pytest.mark.parametrize("at", ["/base", ".server/log"])
def test_killed_before_it_is_proven(site, moment, at, whom):
    assert killed(site, moment, lambda: list(site.home.glob(f"data_restoring_*Z{at}")), whom)
    assert is_served(site)
    comes_to_an_end(site, moment)
