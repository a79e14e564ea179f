"""Restores killed in the swap: a cluster is always live or can start, and the next run completes or rolls back."""

import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from lab.waiting import wait_until
from tests.pgbackrest.acting import (
    TRIES,
    beside,
    between,
    bodies,
    forget,
    in_time,
    is_busy,
    is_served,
    killed,
    marks,
    next_run_completes,
    programs,
)

pytestmark = pytest.mark.pgbackrest


@pytest.fixture(scope="module")
def proven(made_site):
    """The target time of a restore killed after the proof of the copy: the next run continues with the swap."""
    moment = next(filter(None, (proven_once(made_site) for _ in range(TRIES))), None)
    if moment is None:
        pytest.fail(f"all kills came too late: {beside(made_site)}")
    made_site.save("proven")
    yield moment
    made_site.reset()


def proven_once(site):
    """The target time of a restore killed before the swap; None if the kill came too late."""
    site.reset()
    moment = between(site)
    killed(site, moment, lambda: "verified" in marks(site))
    wait_until(lambda: not is_busy(site), "the restore's commands end", 60)
    return moment if "verified" in marks(site) else None


@pytest.fixture
def proven_site(made_site, proven):
    """The cluster after the killed restore, for a single test."""
    made_site.reset("proven")
    yield made_site
    forget(made_site)


def test_verified_copy_is_not_restored_again(proven_site, proven):
    done = next_run_completes(proven_site, proven)
    assert "  1. stop the cluster, rename" in done.stdout


def test_verified_copy_is_removed_for_another_target_time(proven_site):
    done = proven_site.action("restore", "--to", "2026-01-01 00:00:00+00")
    assert done.returncode == 3
    done = proven_site.action("restore")
    assert "left by an earlier restore" in done.stdout


MOMENTS = {
    "swapping": lambda site: "swapping" in marks(site),
    "stopping": lambda site: programs(site, "pg_ctl", "stop"),
    "swapped": lambda site: list(site.home.glob("data_before_*Z")),
    "starting": lambda site: programs(site, "pg_ctl", "start"),
}


@pytest.mark.kills
@pytest.mark.parametrize("at", MOMENTS)
@pytest.mark.parametrize("whom", ["action", "host"])
def test_restore_killed_in_swap_leaves_cluster_and_next_run_completes(proven_site, proven, at, whom):
    in_time(
        lambda: killed(proven_site, proven, lambda: MOMENTS[at](proven_site), whom),
        lambda: proven_site.reset("proven"),
    )
    proven_site.run("test", "-e", proven_site.data / "PG_VERSION")
    next_run_completes(proven_site, proven)


def exchanged(site, fresh, aside):
    """Both directories have exchanged names; the old cluster does not have its final name yet."""
    site.run("mv", site.data, aside)
    site.run("mv", fresh, site.data)
    site.run("mv", aside, fresh)
    return "swapping", site.data


def halfway(site, fresh, aside):
    """Without an exchange of names: the data directory is missing."""
    site.run("mv", site.data, aside)
    return "swapping", fresh


def to_be_put_back(site, fresh, aside):
    site.run("mv", site.data, aside)
    site.run("mv", fresh, site.data)
    return "returning", site.data


def put_back(site, fresh, aside):
    site.run("mv", fresh, aside)
    return "returning", aside


def put_back_halfway(site, fresh, aside):
    site.run("mv", site.data, aside)
    return "returning", fresh


STATES = {
    exchanged: "wanted",
    halfway: "wanted",
    **dict.fromkeys([to_be_put_back, put_back, put_back_halfway], "unwanted"),
}


@pytest.mark.parametrize("state", STATES)
def test_next_run_completes_or_rolls_back_from_each_state_of_killed_swap(proven_site, proven, state):
    (fresh,) = proven_site.home.glob("data_restoring_*Z")
    proven_site.stop("fast")
    said = (fresh / "opsproof.mark").read_text()
    word, where = state(proven_site, fresh, fresh.with_name(fresh.name.replace("_restoring_", "_before_")))
    (where / "opsproof.mark").write_text(said.replace("verified", word))
    planned = proven_site.action("restore", "--drop-old")
    assert "nothing to do" in planned.stdout
    done = proven_site.action("restore", "--to", proven, "--apply")
    assert (done.returncode, done.stderr) == (0, "")
    assert bodies(proven_site, 1) == [STATES[state]]
    assert beside(proven_site) == ["before" if word == "swapping" else "restoring"]
    assert marks(proven_site) == (set() if word == "swapping" else {"tried"})
    assert proven_site.action("restore", "--drop-old", "--apply").returncode == 0
    assert beside(proven_site) == []


def test_unhealthy_platform_rolls_back_to_old_cluster(proven_site, proven, tmp_path):
    """The endpoint is healthy only with the row that the restore removes."""
    with health(proven_site, "unwanted") as url:
        inventory = proven_site.home / "inventory.toml"
        endpoint = f'\n[hosts.stanza.endpoints.health]\nurl = "{url}"\nanswer = "health"\n'
        proven_site.inventory(inventory, endpoint)
        done = proven_site.action("restore", "--to", proven, "--apply", "--wait=1")
    assert done.returncode == 4
    assert "rolled back to the old cluster, because health reports database down" in done.stderr
    assert bodies(proven_site, 1) == ["unwanted"]
    assert (beside(proven_site), marks(proven_site)) == (["restoring"], {"tried"})
    drilled = proven_site.action("restore_drill", "--apply")
    assert (drilled.returncode, drilled.stderr) == (0, "")


@contextmanager
def health(site, wanted):
    """An endpoint that is healthy if the last row is `wanted`."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            status = "up" if is_served(site) and bodies(site, 1) == [wanted] else "down"
            said = {"status": "healthy" if status == "up" else "degraded", "services": {"database": status}}
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(said).encode())

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/health"
        server.shutdown()
