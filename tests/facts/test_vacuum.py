import time
from contextlib import closing

import pytest

from opsproof.database import Result
from opsproof.errors import MeasurementError, OutputError
from opsproof.facts.indexes import Epoch
from opsproof.facts.vacuum import DatabaseUpkeep, Hold, TableUpkeep, TransactionAges, Upkeep, VacuumHorizons
from opsproof.limits import Estimate
from tests.facts.clusters import has

NUMBERS = "SELECT n AS id, md5(n::text) AS note FROM generate_series(1, {}) n"
MADE = f"CREATE TABLE t WITH (autovacuum_enabled = off) AS {NUMBERS.format(40000)}"
EPOCH = Epoch(100.0, 1000.0, 1)


@pytest.fixture
def upkeep(cluster):
    """What is said of the table t, and of the database; catalogs that other tests wore out are in order."""
    cluster.run("VACUUM")

    def told():
        found = cluster.value(TableUpkeep)
        return next((each for each in found.tables if each.table == "public.t"), None), found

    return told


def test_nothing_is_said_of_a_table_in_order(table, upkeep):
    table(f"CREATE TABLE t AS {NUMBERS.format(40000)}", "VACUUM (ANALYZE) t", "DELETE FROM t WHERE id <= 5000")
    said, found = upkeep()
    assert said is None
    assert (found.dead_share, found.backlog, found.vacuum_age_s(EPOCH), found.changed_share) == (0, 0, 0, 0)
    found.require_counted()


def test_dead_and_changed_rows_are_counted_against_what_brings_autovacuum(table, upkeep):
    table(MADE, "ANALYZE t", "UPDATE t SET note = note WHERE id <= 20000")
    said, found = upkeep()
    assert (said.live, said.dead, said.vacuum_at) == (40000, 20000, 8050)
    assert (said.changed, said.analyze_at) == (20000, 4050)
    assert set(said.flags) == {"dead", "due", "stale", "left out"}
    assert found.dead_share == pytest.approx(33.3, abs=0.1)
    assert found.backlog == pytest.approx(248.4, abs=0.1)
    assert found.changed_share == 50
    assert found.vacuum_age_s(EPOCH) == Estimate(0, 900, "public.t was never vacuumed since the statistics began")
    assert found.dead.tables == ["public.t"]


def test_a_table_that_autovacuum_has_just_been_at_may_be_beyond_its_trigger_again(table, upkeep):
    table(MADE, "VACUUM (ANALYZE) t", "DELETE FROM t WHERE id <= 12000")
    assert "dead" not in upkeep()[0].flags
    table("DELETE FROM t WHERE id <= 17000")
    assert "dead" in upkeep()[0].flags


def test_a_table_that_is_due_waits_since_its_last_vacuum(table, upkeep):
    table(MADE, "VACUUM (ANALYZE) t", "DELETE FROM t WHERE id <= 9000")
    time.sleep(0.2)
    said, found = upkeep()
    assert said.flags == ("due", "left out")
    assert 0.2 <= found.vacuum_age_s(EPOCH) < 60
    assert "last 0" not in str(said)


def test_new_rows_alone_let_a_table_wait_for_a_vacuum(table, upkeep):
    table(MADE, "VACUUM (ANALYZE) t", f"INSERT INTO t {NUMBERS.format(9500)}")
    assert "due" in upkeep()[0].flags


def test_settings_of_a_table_count_for_it_and_its_toast_table(table, upkeep):
    settings = "autovacuum_vacuum_scale_factor = 0.5, autovacuum_vacuum_threshold = 100, autovacuum_enabled = no"
    table(f"CREATE TABLE t (body text) WITH ({settings})", "ALTER TABLE t ALTER body SET STORAGE EXTERNAL")
    table(
        "INSERT INTO t SELECT repeat('x', 3000) FROM generate_series(1, 6000) n", "VACUUM (ANALYZE) t", "DELETE FROM t"
    )
    toast = next(each for each in upkeep()[1].tables if each.is_toast and each.table == "public.t")
    assert (toast.name, toast.dead, toast.vacuum_at) == ("public.t (TOAST)", 12000, 6100)
    assert toast.flags == ("due", "left out")


def test_a_filled_table_without_statistics_is_told(table, upkeep):
    table(MADE)
    said, found = upkeep()
    assert "unanalyzed" in said.flags
    assert [each.table for each in found.unanalyzed.rows] == ["public.t"]
    table("ANALYZE t")
    assert "unanalyzed" not in upkeep()[0].flags


def test_a_partitioned_table_without_statistics_of_its_own_is_told(table, upkeep):
    table("CREATE TABLE t (id integer) PARTITION BY RANGE (id)")
    table("CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (9999)")
    table("INSERT INTO t SELECT generate_series(1, 2000)", "ANALYZE t1")
    assert upkeep()[0].flags == ("unanalyzed",)
    table("ANALYZE t")
    assert upkeep()[0] is None


def test_a_partitioned_table_that_has_outgrown_its_statistics_is_told(table, upkeep):
    table("CREATE TABLE t (id integer) PARTITION BY RANGE (id)")
    table("CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (99999) PARTITION BY RANGE (id)")
    table("CREATE TABLE t2 PARTITION OF t1 FOR VALUES FROM (0) TO (99999)")
    table("INSERT INTO t SELECT generate_series(1, 2000)", "ANALYZE t")
    table("INSERT INTO t SELECT generate_series(2001, 4000)", "ANALYZE t2")
    said, found = upkeep()
    assert (said.flags, said.live, said.changed) == (("stale",), 4000, 2000)
    assert found.changed_share == 50
    table("ANALYZE t")
    assert upkeep()[0] is None


def test_a_table_whose_counters_are_gone_is_unknown(table, upkeep):
    table(MADE, "ANALYZE t", "SELECT pg_stat_reset_single_table_counters('t'::regclass)")
    said, found = upkeep()
    assert "uncounted" in said.flags
    assert found.dead_share == 0
    with pytest.raises(MeasurementError, match=r"lost its counters of 1 tables, public\.t: .*; run VACUUM \(ANALYZE\)"):
        found.require_counted()
    table("ANALYZE t")
    upkeep()[1].require_counted()


def test_a_row_that_comes_after_the_loss_changes_nothing(table, upkeep):
    lost = "SELECT pg_stat_reset_single_table_counters('t'::regclass)"
    table(MADE, "ANALYZE t", "DELETE FROM t WHERE id < 9000", lost, "INSERT INTO t VALUES (0, 'new')")
    assert "uncounted" in upkeep()[0].flags


def test_an_emptied_table_has_its_counters(table, upkeep):
    table(MADE, "ANALYZE t", "TRUNCATE t")
    assert "uncounted" not in upkeep()[0].flags


def test_the_worst_tables_come_first():
    tables = [Upkeep(f"t{n}", False, 100 - n, n, 1, 0, 1, None, ("dead",)) for n in range(1, 30)]
    lines = DatabaseUpkeep(tuple(tables)).dead.lines
    assert [line.split(":")[0] for line in lines] == [*(f"t{n}" for n in range(29, 19, -1)), "again"]


def test_ages_of_every_database_are_told(cluster):
    found = cluster.value(TransactionAges)
    names = {each.name for each in found.found.rows if each.kind == "database"}
    assert {"facts", "postgres", "template0", "template1"} <= names
    assert 0 < found.transactions < 10000
    assert 0 <= found.multixacts < 1000
    assert any(each.kind == "table" for each in found.found.rows)


def test_a_server_that_is_a_billion_transactions_old_is_told(cluster):
    """pg_resetwal makes a server that old; no other test may be asked of it then."""
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
def test_an_open_transaction_holds_dead_rows_since_it_began(cluster, first):
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
            "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint, pg_current_wal_lsn()::text"
        )
        session.execute("SELECT pg_current_xact_id()")
    with closing(cluster.connect(replication="true")) as standby:
        standby.pgconn.exec_(f"START_REPLICATION PHYSICAL {start}".encode())
        numbers = b"".join(each.to_bytes(4, "big") for each in (xid % 2**32, xid >> 32, 0, 0))
        standby.pgconn.put_copy_data(b"h" + bytes(8) + numbers)
        standby.pgconn.flush()
        deadline = time.monotonic() + 10
        while not (horizon := cluster.value(VacuumHorizons)).holds:
            assert time.monotonic() < deadline
    (hold,) = horizon.holds
    assert hold.kind == "standby"
    assert hold.since_s is None
    assert horizon.replica_transactions >= 1
    assert horizon.held_s == 0


def test_a_role_that_sees_only_itself_knows_of_no_hold():
    with pytest.raises(MeasurementError, match="grant it pg_monitor"):
        VacuumHorizons().parse(Result([[False, None, None, None, None, None]]), None)


def test_a_session_without_a_beginning_is_no_measurement():
    with pytest.raises(OutputError, match="session pid 1 has no beginning"):
        VacuumHorizons().parse(Result([[True, "session", "pid 1", 5, None, 5]]), None)


@pytest.mark.parametrize("fact", [VacuumHorizons, TransactionAges])
def test_silence_is_no_measurement(fact):
    with pytest.raises(OutputError):
        fact().parse(Result([]), None)


def test_a_hold_is_said_in_words():
    assert str(Hold("slot", "s in use", 12, None)) == "slot s in use: for an unknown time, 12 transactions"
    assert str(Hold("session", "pid 7", 12, 7200.0)) == "session pid 7: for 2 h, 12 transactions"
