"""Restores to a moment: what was committed before it is there and nothing else; killed at any moment, one serves."""

import json
import os
import signal
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from opsproof.restore.moment import moment as read
from tests.pgbackrest.acting import again, begun, beside, bodies, is_served, kill, programs, wait_for

pytestmark = pytest.mark.pgbackrest


def between(site):
    """A moment between two rows, both of them archived."""
    moment = site.write("wanted")
    site.write("unwanted")
    site.archive()
    return moment


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


def marks(site):
    return {path.read_text().split()[0] for path in site.home.glob("data*/opsproof.mark")}


def killed(site, moment, holds, whom="action"):
    """A restore that is killed once something holds; of the host every program of it, the one that swaps among them."""
    with begun(site, "restore", "--to", moment, "--apply") as process:
        wait_for(holds, process)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGSTOP)
        if whom == "host":
            kill([pid for pid in programs(site, "perl") if pid != process.pid])
        process.kill()
        process.wait(60)


@pytest.fixture(scope="module")
def proven(made_site):
    """The moment of a restore that came as far as to be proven: the next run would go on with the swap."""
    moment = next(filter(None, (proven_once(made_site) for _ in range(10))), None)
    if moment is None:
        pytest.fail(f"it came too far: {beside(made_site)}")
    made_site.save("proven")
    return moment


def proven_once(site):
    """The moment of a restore that was killed before its swap; None where the kill came too late for that."""
    site.reset()
    moment = between(site)
    killed(site, moment, lambda: "verified" in marks(site))
    wait_for(lambda: not programs(site, "perl"), None)
    return moment if "verified" in marks(site) else None


@pytest.fixture
def proven_site(site, proven):
    site.reset("proven")
    return site


def comes_to_an_end(site, moment):
    """The next run does, and nothing stands half-way."""
    done = again(site, "restore", "--to", moment, "--apply")
    # Where the swap came to its end without its action, nothing was committed since that could be gone back from.
    assert done.returncode == 0 or "nothing that is in the archive was committed later" in done.stderr, done.stderr
    assert is_served(site)
    assert bodies(site, 1) == ["wanted"]
    assert set(beside(site)) == {"before"}
    assert marks(site) == set()
    return done


def test_what_was_proven_is_not_restored_again(proven_site, proven):
    done = comes_to_an_end(proven_site, proven)
    assert "  1. stop the cluster, put" in done.stdout


def test_what_was_proven_goes_where_another_moment_is_wanted(proven_site):
    done = proven_site.action("restore", "--to", "2026-01-01 00:00:00+00")
    assert done.returncode == 3
    done = proven_site.action("restore")
    assert "left of an earlier restore" in done.stdout


@pytest.mark.parametrize("whom", ["action", "host"])
@pytest.mark.parametrize("at", ["base", ".server/log"])
def test_killed_before_it_is_proven(site, moment, at, whom):
    killed(
        site, moment, lambda: bool(list(site.home.glob(f"data_restoring_*Z{'/' if at == 'base' else ''}{at}"))), whom
    )
    assert is_served(site)
    comes_to_an_end(site, moment)


MOMENTS = {
    "swapping": lambda site: "swapping" in marks(site),
    "stopping": lambda site: bool(programs(site, "pg_ctl", "stop")),
    "swapped": lambda site: bool(list(site.home.glob("data_before_*Z"))),
    "starting": lambda site: bool(programs(site, "pg_ctl", "start")),
}


@pytest.mark.parametrize("at", MOMENTS)
@pytest.mark.parametrize("whom", ["action", "host"])
def test_killed_in_the_swap_one_of_them_can_start_and_the_next_run_comes_to_an_end(proven_site, proven, at, whom):
    killed(proven_site, proven, lambda: MOMENTS[at](proven_site), whom)
    proven_site.run("test", "-e", proven_site.data / "PG_VERSION")
    comes_to_an_end(proven_site, proven)


def exchanged(site, fresh, aside):
    """The two have each other's names, and the old one is not yet called what it is to be called."""
    site.run("mv", site.data, aside)
    site.run("mv", fresh, site.data)
    site.run("mv", aside, fresh)
    return "swapping", site.data


def halfway(site, fresh, aside):
    """Where names cannot be exchanged: nothing has the name of the one that serves."""
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
def test_from_each_state_that_a_kill_can_leave_the_next_run_finishes_or_takes_back(proven_site, proven, state):
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


def test_the_platform_decides_and_what_served_before_is_put_back(proven_site, proven, tmp_path):
    """It says that it is well while it finds the row that the restore takes away."""
    with health(proven_site, "unwanted") as url:
        inventory = proven_site.home / "inventory.toml"
        endpoint = f'\n[hosts.stanza.endpoints.health]\nurl = "{url}"\nanswer = "health"\n'
        proven_site.inventory(inventory, endpoint)
        done = proven_site.action("restore", "--to", proven, "--apply", "--wait=1")
    assert done.returncode == 4
    assert "put back what served before, because health says that database is down" in done.stderr
    assert bodies(proven_site, 1) == ["unwanted"]
    assert (beside(proven_site), marks(proven_site)) == (["restoring"], {"tried"})
    drilled = proven_site.action("restore_drill", "--apply")
    assert (drilled.returncode, drilled.stderr) == (0, "")


@contextmanager
def health(site, wanted):
    """An endpoint that is well while the last row is the one that is wanted."""

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
