import os
import subprocess
import time

import pytest

from lab.postgres import SUPERUSER
from lab.waiting import wait_until
from opsproof.core.errors import Absent, MeasurementError
from opsproof.core.limits import Estimate
from opsproof.facts.replication import Archiver, Receivers, ReplicationSlots, Slot, Standby, Standbys, WalArchiver
from opsproof.inventory.resources import Database
from opsproof.postgres.connection import Result, ask
from tests.facts.clusters import has


def found(postgres, fact, **fields):
    (result,) = ask(postgres.target(), [fact.sql])
    return fact().parse(result, Database(dsn="host=x", **fields))


def test_inactive_slot_is_listed(postgres):
    with postgres.server.connect(SUPERUSER, postgres.password, "postgres") as admin:
        admin.execute(
            "SELECT pg_create_physical_replication_slot('kept', true), pg_create_physical_replication_slot('new')"
        )
        try:
            slots = {each.name: each for each in found(postgres, ReplicationSlots)}
        finally:
            admin.execute("SELECT pg_drop_replication_slot('kept'), pg_drop_replication_slot('new')")
    assert not slots["kept"].active
    assert slots["kept"].kept_bytes >= 0
    assert str(slots["new"]) == "new: physical, nothing reserved: unused"
    assert found(postgres, ReplicationSlots) == ()


def test_slot_text_has_retained_wal():
    assert str(Slot("a", "logical", False, "extended", 3e9)) == "a: logical, extended: 3 GB of WAL retained"


def test_disconnected_declared_standby_is_absent(postgres):
    assert found(postgres, Standbys) == Receivers(())
    with pytest.raises(Absent, match="declared standby not connected: far"):
        found(postgres, Standbys, standbys=["far"])


def test_connected_standby_has_lag():
    row = [True, "far", "streaming", 2e6, 7.5]
    found = Standbys().parse(Result([row]), Database(dsn="host=x", standbys=["far"]))
    assert str(found.standbys[0]) == "far: streaming, 2 MB and 7.5 s behind"
    assert found.lag_s == 7.5


def test_lag_of_catching_up_standby_is_unbounded():
    late, there = Standby("far", "catchup", 2e9, 0.5), Standby("near", "catchup", 0.0, 0.0)
    assert Receivers((late, there)).lag_s == Estimate(0.5, float("inf"), "still catching up: far")
    assert Receivers((there,)).lag_s == 0


def test_standbys_need_pg_monitor():
    with pytest.raises(MeasurementError, match="grant pg_monitor to the role"):
        Standbys().parse(Result([[False, None, None, None, 0.0]]), Database(dsn="host=x"))


def test_server_without_archiving_has_no_failures(postgres):
    archiver = found(postgres, WalArchiver)
    assert (archiver.on, archiver.delay_s) == (False, 0)
    assert archiver.evidence == ["last archived: never", "last failed: never, 0 failures in all"]


@pytest.mark.parametrize(("on", "ready_s", "delay_s"), [(True, None, 0), (True, 70, 70), (False, 70, 0), (True, -1, 0)])
def test_archive_delay_is_age_of_oldest_waiting_segment(on, ready_s, delay_s):
    assert Archiver(on, 7200, 5, 3, "0001", ready_s).delay_s == delay_s


def test_waiting_segment_has_an_age(cluster):
    folder = cluster.server.data / "pg_wal" / "archive_status"
    ready = folder / "0000000100000000000000AA.ready"
    ready.touch()
    os.utime(ready, (time.time() - 7200,) * 2)
    try:
        archiver = cluster.value(WalArchiver)
    finally:
        ready.unlink()
    assert archiver.ready_s == pytest.approx(7200, abs=60)


def test_receiver_without_replay_has_no_lag_between_reports(cluster, tmp_path):
    if not has(cluster.server, "pg_receivewal"):
        pytest.skip("npm's servers come without pg_receivewal")
    received = tmp_path / "received"
    received.mkdir()
    dsn = f"host=127.0.0.1 port={cluster.server.port} user={SUPERUSER} password={cluster.password}"
    words = [cluster.server._programs() / "pg_receivewal", "-d", dsn, "-D", received, "--status-interval=2"]
    with cluster.connect() as admin, subprocess.Popen(words) as receiver:
        write = "SELECT pg_logical_emit_message(true, 'x', 'y')"
        query = "SELECT FROM pg_stat_replication WHERE replay_lsn IS NULL AND replay_lag > '1s'"
        found = []

        def is_behind():
            admin.execute(write)
            lagging = admin.execute(query).fetchone() is not None
            found[:] = cluster.value(Standbys).standbys
            return lagging and found[0].behind_bytes > 0

        try:
            wait_until(is_behind, "it is behind")
        finally:
            receiver.kill()
    assert (found[0].state, found[0].lag_s) == ("streaming", 0)
