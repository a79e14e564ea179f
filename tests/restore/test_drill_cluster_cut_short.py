"""Drills in a throwaway cluster, killed, cut off, doubled or out of disk: nothing remains, the next drill passes."""

import subprocess
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from lab.waiting import wait_until
from tests.harness import extent
from tests.harness.notes import show_rows
from tests.restore.clustered import Clustered, needs_users, scratch_folder, small_disk
from tests.restore.conftest import ended
from tests.restore.test_kills import cut

pytestmark = [needs_users, pytest.mark.kills]

STATEMENTS = (
    "CREATE TABLE t (id int PRIMARY KEY, s text)",
    "INSERT INTO t SELECT i, repeat('x', 100) FROM generate_series(1, 100000) i",
)
MADE = {"initdb": "base/1", "load": "base/16*"}
"""The folder of a database in the cluster: a template, and the restored database."""
SOONER, TRIES = 0.9, 12
ENDS_S = 60
"""A drill ends at most so many seconds after its action: the keeper notices within seconds that no lock is held."""
ROWS: list[str] = []
LASTS_S: list[float] = []
"""The seconds of a drill."""


@pytest.fixture(scope="module", autouse=True)
def matrix(request):
    """Prints the leftovers of each kill."""
    yield from show_rows(request, ROWS)


@pytest.fixture(scope="module")
def shop(postgres_server, tmp_path_factory):
    with scratch_folder() as place:
        shop = Clustered(postgres_server, tmp_path_factory.mktemp("shop"), scratch=place).create(*STATEMENTS)
        shop.require("backup")
        yield shop
        shop.drop()


def passes(shop):
    """Asserts that the next drill passes, and that nothing remains."""
    done = wait_until(lambda: unless_held(shop.run("restore_drill")), "the host is free", ENDS_S)
    assert (done.returncode, done.stderr) == (0, "")
    assert (shop.remains, mounted(shop), shop.databases) == ([], [], [])


def unless_held(done):
    return None if done.returncode == 3 and "held by" in done.stderr else done


def mounted(shop):
    """The file systems mounted below the folder for drills."""
    points = (line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines())
    return [each for each in points if each.startswith(f"{shop.scratch}/")]


def at(shop, share):
    """A running drill at a share of its duration; begun again, sooner, if it ended before."""
    if not LASTS_S:
        began = time.monotonic()
        shop.require("restore_drill")
        LASTS_S.append(time.monotonic() - began)
    for _ in range(TRIES):
        process = shop.begin()
        try:
            process.wait(share * LASTS_S[0])
        except subprocess.TimeoutExpired:
            return process
        LASTS_S[0] *= SOONER
    raise AssertionError(f"all {TRIES} moments came too late")


@pytest.mark.parametrize("number", range(extent.KILLS))
def test_killed_drill_ends_its_cluster_and_the_next_removes_the_rest(shop, number):
    share, alone = extent.moments("cluster drill")[number], number % 2 == 0
    process = at(shop, share)
    if alone:
        process.kill()
    else:
        ended(process.pid)
    process.wait()
    wait_until(lambda: not shop.processes, "the cluster ends", ENDS_S)
    whom = "controller" if alone else "everything"
    ROWS.append(f"cluster drill {100 * share:3.0f} % {whom:10} {', '.join(shop.remains) or '-'}")
    assert mounted(shop) == []
    passes(shop)


def test_cut_connection_ends_the_cluster(shop, sshd_server):
    process = replace(shop, transport=sshd_server.spec()).begin()
    wait_until(lambda: shop.path_of("PG_VERSION"), "the cluster is made", process=process)
    cut(int((sshd_server.folder / "sshd.pid").read_text()))
    assert process.wait(ENDS_S) in (4, 5, 6)
    wait_until(lambda: not shop.remains, "the cluster ends", ENDS_S)
    passes(shop)


def test_second_drill_is_refused_and_the_first_passes(shop):
    process = shop.begin()
    wait_until(lambda: shop.path_of("PG_VERSION"), "the cluster is made", process=process)
    second = shop.run("restore_drill")
    assert (second.returncode, "held by restore_drill" in second.stderr) == (3, True), second.stderr
    assert process.wait(ENDS_S) == 0
    assert shop.remains == []


def fill(folder):
    """Fills the file system of a folder; returns the path of the filling."""
    path = folder / "ballast"
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(2**20))
    return path


@pytest.mark.parametrize("during", extent.sample("full disk", list(MADE), 1))
def test_full_disk_ends_the_drill(shop, during):
    with small_disk(shop.scratch, 400):
        process = shop.begin()
        wait_until(lambda: shop.path_of(MADE[during]), "the drill writes", process=process, every_s=0.005)
        path = fill(shop.scratch)
        assert process.wait(ENDS_S) in (4, 5)
        wait_until(lambda: shop.remains == [path.name], "the drill ends", ENDS_S)
        assert shop.journal[-1]["outcome"] != "done"
        path.unlink()
        passes(shop)
