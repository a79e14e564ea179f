"""Point-in-time restores: commits up to the target time are there, later commits are not; kills are repeated."""

import os

import pytest

from opsproof.restore.moment import parse_moment
from tests.pgbackrest.acting import beside, between, bodies, is_served, killed, next_run_completes

pytestmark = pytest.mark.pgbackrest


@pytest.fixture
def moment(site):
    return between(site)


def test_plan_lists_data_loss_and_changes_nothing(site, moment):
    done = site.action("restore", "--to", moment)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"loses all commits after {parse_moment(moment).shown}" in done.stdout
    assert beside(site) == []


def test_restore_to_target_time_succeeds_and_cluster_archives_again(site, moment):
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


def test_restore_to_end_of_wal_has_last_commit(site):
    site.write("at the last moment")
    done = site.action("restore", "--apply")
    assert (done.returncode, done.stderr) == (0, "")
    assert bodies(site, 1) == ["at the last moment"]
    assert beside(site) == ["before"]


def test_lost_data_directory_is_restored(site, moment):
    site.stop()
    site.run("rm", "-rf", site.data)
    done = site.action("restore", "--to", moment, "--apply")
    assert (done.returncode, done.stderr) == (0, "")
    assert bodies(site, 1) == ["wanted"]
    assert beside(site) == []


def test_into_restores_without_swap_and_copy_archives_nothing(site, moment):
    copy = site.home / "data_copy"
    done = site.action("restore", "--to", moment, "--into", str(copy), "--apply")
    assert (done.returncode, done.stderr) == (0, "")
    assert bodies(site, 1) == ["unwanted"]
    assert "archive_mode = 'off'" in (copy / "postgresql.auto.conf").read_text()
    assert site.action("restore", "--into", str(copy)).returncode == 2
    assert site.action("restore", "--into", str(site.data)).returncode == 2


def test_target_time_after_last_commit_fails_and_leaves_nothing(site, moment):
    later = site.sql("SELECT clock_timestamp()")
    done = site.action("restore", "--to", later, "--apply")
    assert done.returncode == 4
    assert "the archive has no commit after --to: omit --to" in done.stderr
    assert beside(site) == []
    assert bodies(site, 1) == ["unwanted"]


def test_restored_cluster_that_does_not_start_is_rolled_back(site, moment):
    """The start command fails while the restored directory is live."""
    inventory = site.inventory(site.home / "inventory.toml")
    wrapper = site.home / "start"
    wrapper.write_text(f'#!/bin/sh\n[ -e {site.data}/opsproof.mark ] && exit 1\nexec "$@"\n')
    wrapper.chmod(0o755)
    text = inventory.read_text().replace('start = ["', f'start = ["{wrapper}", "')
    inventory.write_text(text)
    if os.geteuid() == 0:
        wrapper.write_text(wrapper.read_text().replace("[ -e", "sudo -n -u postgres test -e").replace(" ] &&", " &&"))
    done = site.action("restore", "--to", moment, "--apply", "--up=2")
    assert done.returncode == 4
    assert "rolled back to the old cluster" in done.stderr
    assert bodies(site, 1) == ["unwanted"]
    assert beside(site) == ["restoring"]
    site.inventory(inventory)
    site.action("restore", "--drop-old", "--apply")
    assert beside(site) == []


def test_missing_stop_or_start_command_is_refused(site, moment):
    inventory = site.inventory(site.home / "inventory.toml")
    lines = [line for line in inventory.read_text().splitlines() if not line.startswith("stop = ")]
    inventory.write_text("\n".join(lines))
    done = site.action("restore", "--to", moment, "--apply")
    assert done.returncode == 2
    assert "`stop` and `start` are missing: set both, or restore with --into" in done.stderr


@pytest.mark.kills
@pytest.mark.parametrize("whom", ["action", "host"])
@pytest.mark.parametrize("at", ["/base", ".server/log"])
def test_restore_killed_before_verification_is_repeated(site, moment, at, whom):
    assert killed(site, moment, lambda: list(site.home.glob(f"data_restoring_*Z{at}")), whom)
    assert is_served(site)
    next_run_completes(site, moment)
