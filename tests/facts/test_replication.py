import pytest

from lab.postgres import SUPERUSER
from opsproof.database import Result, ask
from opsproof.errors import Absent, MeasurementError
from opsproof.facts.replication import Archiver, Receivers, ReplicationSlots, Slot, Standby, Standbys, WalArchiver
from opsproof.limits import Estimate
from opsproof.nouns import Database


def found(postgres, fact, **fields):
    (result,) = ask(postgres.target(), [fact.sql])
    return fact().parse(result, Database(dsn="host=x", **fields))


def test_a_real_slot_that_nobody_reads_is_told(postgres):
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


def test_a_slot_says_what_is_kept_for_it():
    assert str(Slot("a", "logical", False, "extended", 3e9)) == "a: logical, extended: 3 GB of the log are kept for it"


def test_a_declared_standby_that_is_not_connected_is_absent(postgres):
    assert found(postgres, Standbys) == Receivers(())
    with pytest.raises(Absent, match="far: declared as a standby, but not connected"):
        found(postgres, Standbys, standbys=["far"])


def test_a_connected_standby_says_how_far_behind_it_is():
    row = [True, "far", "streaming", 2e6, 7.5]
    found = Standbys().parse(Result([row]), Database(dsn="host=x", standbys=["far"]))
    assert str(found.standbys[0]) == "far: streaming, 2 MB and 7.5 s behind"
    assert found.lag_s == 7.5


def test_a_standby_that_catches_up_may_be_behind_by_more_than_it_says():
    late, there = Standby("far", "catchup", 2e9, 0.5), Standby("near", "catchup", 0.0, 0.0)
    assert Receivers((late, there)).lag_s == Estimate(0.5, float("inf"), "far still catches up")
    assert Receivers((there,)).lag_s == 0


def test_a_role_that_sees_no_receiver_knows_nothing():
    with pytest.raises(MeasurementError, match="grant it pg_monitor"):
        Standbys().parse(Result([[False, None, None, None, 0.0]]), Database(dsn="host=x"))


def test_a_server_that_does_not_archive_never_failed(postgres):
    archiver = found(postgres, WalArchiver)
    assert (archiver.on, archiver.fails) == (False, False)
    assert archiver.evidence == ["last archived: never", "last failed: never, 0 times in all"]


@pytest.mark.parametrize(
    ("archived_s", "failed_s", "fails"),
    [(None, None, False), (10, None, False), (None, 5, True), (10, 5, True), (5, 10, False)],
)
def test_archiving_fails_whose_last_attempt_failed(archived_s, failed_s, fails):
    assert Archiver(True, archived_s, failed_s, 3, "0001").fails is fails
