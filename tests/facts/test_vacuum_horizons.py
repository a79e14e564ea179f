import time
from contextlib import closing

import pytest

from lab.waiting import wait_until
from opsproof.core.errors import MeasurementError, OutputError
from opsproof.facts.vacuum import Hold, TransactionAges, VacuumHorizons
from opsproof.postgres.connection import Result
from tests.facts.clusters import has


def test_ages_of_all_databases_are_listed(cluster):
    found = cluster.value(TransactionAges)
    names = {each.name for each in found.found.rows if each.kind == "database"}
    assert {"facts", "postgres", "template0", "template1"} <= names
    assert 0 < found.transactions < 10000
    assert 0 <= found.multixacts < 1000
    assert any(each.kind == "table" for each in found.found.rows)


def test_age_of_a_billion_transactions_is_reported(cluster):
    """pg_resetwal ages the server, which no other test may use afterwards."""
    server = cluster.server
    if not has(server, "pg_resetwal"):
        pytest.skip("npm's servers come without pg_resetwal")
    with cluster.connect() as connection:
        ((number,),) = connection.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
    server.stop()
    later = (number // 2**20 + 1050) * 2**20
    server.administer("pg_resetwal", "-x", str(later), "-m", f"{later},1")
    with (server.data / "postgresql.conf").open("a") as file:
        file.write("autovacuum_freeze_max_age = 2000000000\nautovacuum_multixact_freeze_max_age = 2000000000\n")
    server.start()
    found = cluster.value(TransactionAges)
    assert found.transactions == pytest.approx(1050 * 2**20, rel=0.01)
    assert found.multixacts == pytest.approx(1050 * 2**20, rel=0.01)
    cluster.run("ALTER DATABASE template0 ALLOW_CONNECTIONS true")
    for name in ("facts", "postgres", "template0", "template1"):
        cluster.run("VACUUM (FREEZE)", database=name)
    cluster.run("ALTER DATABASE template0 ALLOW_CONNECTIONS false")
    assert cluster.value(TransactionAges).transactions < 10**6


def kinds(horizon):
    return {each.kind for each in horizon.holds}


def test_nothing_holds_dead_rows_on_a_quiet_server(cluster):
    assert kinds(cluster.value(VacuumHorizons)) == set()


@pytest.mark.parametrize(
    "first", ["SELECT 1 FROM pg_class", "SELECT pg_current_xact_id()"], ids=["a snapshot", "an ID"]
)
def test_open_transaction_holds_dead_rows_since_its_start(cluster, first):
    level = "REPEATABLE READ" if "pg_class" in first else "READ COMMITTED"
    with cluster.connect() as session:
        session.execute(f"BEGIN ISOLATION LEVEL {level}")
        session.execute(first)
        time.sleep(0.3)
        horizon, pid = cluster.value(VacuumHorizons), session.info.backend_pid
        session.execute("ROLLBACK")
    (hold,) = horizon.holds
    assert (hold.kind, hold.who) == ("session", f"pid {pid} metachat lab idle in transaction")
    assert 0.3 <= horizon.held_s < 60


def test_sessions_of_other_databases_and_idle_ones_hold_nothing(cluster):
    with cluster.connect() as idle, cluster.connect("postgres") as elsewhere:
        idle.execute("BEGIN")
        idle.execute("SELECT 1")
        elsewhere.execute("BEGIN")
        elsewhere.execute("SELECT pg_current_xact_id()")
        assert cluster.value(VacuumHorizons).holds == ()
        for each in (idle, elsewhere):
            each.execute("ROLLBACK")


def test_a_prepared_transaction_holds_dead_rows(cluster):
    with cluster.connect() as session:
        session.execute("BEGIN")
        session.execute("SELECT pg_current_xact_id()")
        session.execute("PREPARE TRANSACTION 'left behind'")
        horizon = cluster.value(VacuumHorizons)
        session.execute("ROLLBACK PREPARED 'left behind'")
    (hold,) = horizon.holds
    assert (hold.kind, hold.who) == ("prepared transaction", "'left behind' of metachat")
    assert hold.of_users == hold.transactions
    assert horizon.held_s > 0


def test_a_slot_holds_dead_rows_and_is_counted_in_transactions(cluster):
    with cluster.connect() as session:
        session.execute("SELECT pg_create_logical_replication_slot('forgotten', 'pgoutput')")
        for _ in range(7):
            session.execute("SELECT pg_current_xact_id()")
        horizon = cluster.value(VacuumHorizons)
        version = session.info.server_version
        session.execute("SELECT pg_drop_replication_slot('forgotten')")
    (hold,) = horizon.holds
    assert (hold.kind, hold.who, hold.of_users) == ("slot", "forgotten not in use", None)
    assert horizon.replica_transactions >= 7
    assert (hold.since_s is not None) == (version >= 170000)


def test_a_standby_without_a_slot_holds_dead_rows(cluster):
    with cluster.connect() as session:
        ((xid, start),) = session.execute(
            "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint, pg_current_wal_flush_lsn()::text"
        )
        session.execute("SELECT pg_current_xact_id()")
    with closing(cluster.connect(replication="true")) as standby:
        answer = standby.pgconn.exec_(f"START_REPLICATION PHYSICAL {start}".encode())
        assert not answer.error_message
        numbers = b"".join(each.to_bytes(4, "big") for each in (xid % 2**32, xid >> 32, 0, 0))
        standby.pgconn.put_copy_data(b"h" + bytes(8) + numbers)
        standby.pgconn.flush()
        wait_until(lambda: cluster.value(VacuumHorizons).holds, "the standby's feedback arrives")
        horizon = cluster.value(VacuumHorizons)
    (hold,) = horizon.holds
    assert hold.kind == "standby"
    assert hold.since_s is None
    assert horizon.replica_transactions >= 1
    assert horizon.held_s == 0


def test_horizons_need_pg_monitor():
    with pytest.raises(MeasurementError, match="grant pg_monitor to the role"):
        VacuumHorizons().parse(Result([[False, None, None, None, None, None]]), None)


def test_session_without_start_time_raises():
    with pytest.raises(OutputError, match="session pid 1 has no start time"):
        VacuumHorizons().parse(Result([[True, "session", "pid 1", 5, None, 5]]), None)


@pytest.mark.parametrize("fact", [VacuumHorizons, TransactionAges])
def test_empty_answer_raises(fact):
    with pytest.raises(OutputError):
        fact().parse(Result([]), None)


def test_hold_has_a_text():
    assert str(Hold("slot", "s in use", 12, None)) == "slot s in use: for an unknown time, 12 transactions"
    assert str(Hold("session", "pid 7", 12, 7200.0)) == "session pid 7: for 2 h, 12 transactions"
