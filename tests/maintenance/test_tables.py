"""VACUUM and ANALYZE of flagged and named tables, without blocking others."""

from contextlib import closing

import pytest

from lab.waiting import wait_until
from tests.harness.extent import moments
from tests.harness.killing import as_text, course_s
from tests.maintenance.conftest import killed_at

FEW = "UPDATE t.rows SET at = at + 1 WHERE id < 'chk000100'"
ALL = "UPDATE t.rows SET at = at + 1"


@pytest.fixture
def bloated(place, table):
    """A table with many dead rows, without autovacuum."""
    for _ in range(3):
        place.sql(ALL)
    wait_until(lambda: dead(place) >= 18000, "dead rows are counted")
    return table


def dead(place, name="t.rows"):
    return place.value(f"SELECT pg_stat_get_dead_tuples('{name}'::regclass)")


def last(place, what, name="t.rows"):
    return place.value(f"SELECT extract(epoch FROM pg_stat_get_last_{what}_time('{name}'::regclass))") or 0


def test_tables_with_too_many_dead_rows_are_vacuumed(place, bloated):
    said = place.do("vacuum")
    assert "vacuum t.rows: " in said
    assert said.count("vacuum public.") == 0
    assert dead(place) == 0
    assert "nothing to do" in place.do("vacuum")


def test_named_table_is_vacuumed_and_analyzed(place, table):
    place.sql(FEW)
    before = place.value("SELECT extract(epoch FROM clock_timestamp())")
    place.do("vacuum", "--table", table)
    assert last(place, "vacuum") > before
    assert last(place, "analyze") > before


def test_partitioned_table_is_vacuumed_by_leaves_and_analyzed_as_whole(place):
    before = place.value("SELECT extract(epoch FROM clock_timestamp())")
    place.do("vacuum", "--table", "messages")
    leaves = place.sql("SELECT relid::regclass::text FROM pg_partition_tree('messages') WHERE isleaf")
    assert len(leaves) > 3
    assert all(last(place, "vacuum", name) > before for (name,) in leaves)
    assert last(place, "analyze", "messages") > before


def test_all_tables_are_vacuumed_and_analyzed(place, table):
    place.sql(FEW)
    before = place.value("SELECT extract(epoch FROM clock_timestamp())")
    place.do("vacuum", "--all")
    leaves = place.sql("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'messages'::regclass")
    assert len(leaves) > 3
    assert [name for name in (table, "tenants", *sum(leaves, ())) if last(place, "vacuum", name) < before] == []
    assert last(place, "analyze", "messages") > before


def test_all_excludes_system_catalogs(place, table):
    said = place.run("vacuum", "--all").stdout
    count = place.value(
        "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind = 'r'"
        " AND nspname IN ('public', 't', 'opsproof')"
    )
    assert said.count(". vacuum ") == count
    assert "pg_catalog" not in said


def test_thousands_of_tables_are_queried_in_batches(place):
    place.sql("CREATE SCHEMA t")
    with place.connect() as connection:
        connection.execute(
            "DO $$ BEGIN FOR n IN 1 .. 1000 LOOP"
            " EXECUTE format('CREATE TABLE t.%I (id int)', 'a table with a rather long name ' || n); END LOOP; END $$"
        )
    names = [word for n in range(1, 1001) for word in ("--table", f"t.a table with a rather long name {n}")]
    assert place.run("vacuum", *names).stdout.count(". vacuum ") == 1000
    assert place.run("vacuum", "--all").stdout.count(". vacuum t.") == 1000


def test_freeze_lowers_transaction_age(place, table):
    place.database = "limits.transaction_age = { must = '< 50' }\n"
    place.sql(";".join(["BEGIN; SELECT pg_current_xact_id(); COMMIT"] * 60))
    planned = place.run("vacuum", "--freeze").stdout
    assert "vacuum t.rows" in planned
    assert "vacuum pg_catalog.pg_class" in planned
    place.do("vacuum", "--freeze", "--table", table)
    assert place.value("SELECT age(relfrozenxid) FROM pg_class WHERE oid = 't.rows'::regclass") < 50


def test_unfreezable_objects_are_named(place):
    """Unvacuumed databases keep the age of the server, a temporary table that of its session."""
    place.database = "limits.transaction_age = { must = '< 1500' }\n"
    with closing(place.connect()) as other:
        other.execute("CREATE TEMPORARY TABLE passing (id text)")
        ((space,),) = other.execute("SELECT pg_my_temp_schema()::regnamespace::text").fetchall()
        place.sql(";".join(["BEGIN; SELECT pg_current_xact_id(); COMMIT"] * 2000))
        place.sql("VACUUM (FREEZE)")
        for more in ((), ("--apply",)):
            done = place.run("vacuum", "--freeze", *more)
            assert done.returncode == 3
            assert (
                f"transaction IDs are too old: temporary table {space}.passing, which only the session that"
                in done.stderr
            )
    done = place.run("vacuum", "--freeze")
    assert done.returncode == 3
    assert "database template0" in done.stderr
    assert "passing" not in done.stderr


def test_old_transaction_ids_after_freeze_are_reported(place, table):
    place.sql(";".join(["BEGIN; SELECT pg_current_xact_id(); COMMIT"] * 2000))
    place.sql("VACUUM (FREEZE) t.rows")
    place.database = "limits.transaction_age = { must = '< 1500' }\n"
    done = place.run("vacuum", "--apply", "--freeze")
    assert done.returncode == 5
    assert "vacuum pg_catalog.pg_class" in done.stdout
    assert "transaction IDs are still too old: " in done.stderr


@pytest.mark.parametrize("action", ["vacuum", "analyze"])
def test_blocking_maintenance_is_awaited_and_named(place, table, action):
    lock = "LOCK TABLE t.rows IN SHARE UPDATE EXCLUSIVE MODE"
    with place.holding(lock) as pid:
        refused = place.run(action, "--apply", "--table", table, "--wait", "1s")
        assert refused.returncode == 4
        assert f"process {pid} (metachat, idle in transaction" in refused.stderr
        process = place.begin(action, "--table", table)
        wait_until(lambda: place.at_work, "the action runs", process=process)
        with place.connect(options="-c lock_timeout=500ms") as other:
            other.execute(FEW)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 0, said


@pytest.mark.parametrize("action", ["vacuum", "analyze"])
def test_locked_table_does_not_block_others(place, table, action):
    place.sql("CREATE TABLE t.empty ()")
    with place.holding("LOCK TABLE t.empty IN SHARE UPDATE EXCLUSIVE MODE"):
        done = place.run(action, "--apply", "--table", "t.empty", "--table", table, "--wait", "1s")
    assert done.returncode == 4
    wait_until(lambda: last(place, action, table) > 0, f"{action} of the other table is counted")


def test_transaction_that_needs_dead_rows_is_refused(place, bloated):
    place.database = "limits.vacuum_horizon_age = { must = '< 200ms' }\n"
    with place.holding("SELECT pg_current_xact_id()") as pid:
        age = f"SELECT clock_timestamp() - xact_start > '200ms' FROM pg_stat_activity WHERE pid = {pid}"
        wait_until(lambda: place.value(age), "the transaction is old enough")
        done = place.run("vacuum", "--apply", "--table", bloated)
    assert done.returncode == 3
    assert f"dead rows are still needed, so VACUUM cannot remove them: session pid {pid} metachat" in done.stderr
    assert dead(place) >= 18000


def test_slot_that_needs_dead_rows_is_refused(place, bloated):
    """A standby has sent its xmin and disconnected."""
    place.database = "limits.replica_horizon_age = { must = '< 5' }\n"
    place.sql("SELECT pg_create_physical_replication_slot('forgotten', true)")
    try:
        ((xid, start),) = place.sql(
            "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint, pg_current_wal_lsn()::text"
        )
        with closing(place.connect(replication="true")) as standby:
            standby.pgconn.exec_(f"START_REPLICATION SLOT forgotten PHYSICAL {start}".encode())
            numbers = b"".join(each.to_bytes(4, "big") for each in (xid % 2**32, xid >> 32, 0, 0))
            standby.pgconn.put_copy_data(b"h" + bytes(8) + numbers)
            standby.pgconn.flush()
            wait_until(lambda: place.value("SELECT xmin IS NOT NULL FROM pg_replication_slots"), "the slot needs rows")
        wait_until(lambda: not place.value("SELECT active FROM pg_replication_slots"), "the standby is gone")
        place.sql(";".join(["BEGIN; SELECT pg_current_xact_id(); COMMIT"] * 9))
        done = place.run("vacuum", "--apply", "--table", bloated)
        assert done.returncode == 3
        assert "slot forgotten not in use" in done.stderr
    finally:
        place.sql("SELECT pg_drop_replication_slot('forgotten')")


def test_logical_slot_blocks_only_catalogs(place, bloated):
    place.database = "limits.replica_horizon_age = { must = '< 5' }\n"
    place.server.data.joinpath("lab.conf").open("a").write("wal_level = logical\n")
    place.server._run("pg_ctl", "restart", "-D", str(place.server.data), "-l", str(place.server.log), "-w", "--silent")
    try:
        place.sql("SELECT pg_create_logical_replication_slot('forgotten', 'test_decoding')")
        place.sql(";".join(["BEGIN; SELECT pg_current_xact_id(); COMMIT"] * 9))
        place.do("vacuum", "--table", bloated)
        assert dead(place) == 0
        done = place.run("vacuum", "--apply", "--table", "pg_catalog.pg_class")
        assert done.returncode == 3
        assert "slot forgotten not in use" in done.stderr
    finally:
        place.sql("SELECT pg_drop_replication_slot('forgotten')")
        place.server.stop()
        place.server.start()


def test_ineffective_vacuum_is_not_repaired(place, bloated):
    """The transaction is younger than the limit, but older than the dead rows."""
    with place.holding("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SELECT 1"):
        for _ in range(3):
            place.sql(ALL)
        done = place.run("vacuum", "--apply", "--table", bloated)
    assert done.returncode == 5
    assert "vacuumed, but still flagged by a check: t.rows" in done.stderr


@pytest.mark.kills
def test_killed_vacuum_loses_no_rows(place, bloated, note):
    rows = place.value("SELECT count(*) FROM t.rows")
    lasts_s = course_s(place.begin("vacuum", "--table", bloated))
    at = moments("vacuum")
    note(f"vacuum killed at {as_text(at)} of {lasts_s:.2f} s")
    hits = 0
    for number, moment in enumerate(at):
        place.sql(ALL)
        process = place.begin("vacuum", "--table", bloated)
        hits += killed_at(process, moment * lasts_s, everything=number % 2 == 0)
        place.again("vacuum", "--table", bloated)
        assert dead(place) == 0
        assert place.value("SELECT count(*) FROM t.rows") == rows
    assert hits, "every kill came too late"


def test_named_table_without_privilege_is_refused(restricted, bloated):
    restricted.sql("REVOKE pg_maintain FROM opsproof_maintain")
    done = restricted.run("vacuum", "--apply", "--table", bloated)
    assert done.returncode == 3
    assert "opsproof_maintain may not maintain t.rows: GRANT metachat TO opsproof_maintain" in done.stderr
    restricted.sql("GRANT pg_maintain TO opsproof_maintain; GRANT USAGE ON SCHEMA t TO opsproof_maintain")
    restricted.do("vacuum", "--table", bloated)
    assert dead(restricted) == 0


def test_unnamed_table_without_privilege_is_skipped(restricted, bloated):
    made = "CREATE TABLE t.{} WITH (autovacuum_enabled = off) AS SELECT * FROM t.rows;"
    restricted.sql("REVOKE pg_maintain FROM opsproof_maintain;" + made.format("ours") + made.format("theirs"))
    restricted.sql("GRANT USAGE ON SCHEMA t TO opsproof_maintain; ALTER TABLE t.ours OWNER TO opsproof_maintain")
    try:
        done = restricted.run("analyze", "--apply")
        fresh = "SELECT relname FROM pg_stat_all_tables WHERE schemaname = 't' AND last_analyze IS NOT NULL"
        assert (done.returncode, restricted.sql(fresh + " AND relname <> 'rows'")) == (5, [("ours",)])
        assert "skipped: opsproof_maintain may not maintain " in done.stdout
        assert "t.theirs" in done.stderr
    finally:
        restricted.sql("DROP TABLE t.ours, t.theirs; GRANT pg_maintain TO opsproof_maintain")


def test_owned_partition_is_analyzed_without_its_root(restricted, table):
    restricted.sql(
        "REVOKE pg_maintain FROM opsproof_maintain; GRANT USAGE ON SCHEMA t TO opsproof_maintain;"
        "CREATE TABLE t.parts (id int) PARTITION BY RANGE (id);"
        "CREATE TABLE t.part PARTITION OF t.parts DEFAULT WITH (autovacuum_enabled = off);"
        "INSERT INTO t.parts SELECT generate_series(1, 20000); ALTER TABLE t.part OWNER TO opsproof_maintain"
    )
    try:
        done = restricted.run("analyze", "--apply", "--all")
        assert done.returncode == 5
        assert "analyze t.part (" in done.stdout
        assert "skipped: opsproof_maintain may not maintain " in done.stderr
        assert last(restricted, "analyze", "t.part") > 0
    finally:
        restricted.sql("DROP TABLE t.parts; GRANT pg_maintain TO opsproof_maintain")


def test_foreign_partitions_are_ignored(place, table):
    place.sql(
        "CREATE TABLE t.parts (id int) PARTITION BY RANGE (id); CREATE TABLE t.part PARTITION OF t.parts DEFAULT;"
        "CREATE FOREIGN DATA WRAPPER nothing; CREATE SERVER elsewhere FOREIGN DATA WRAPPER nothing;"
        "CREATE FOREIGN TABLE t.away PARTITION OF t.parts FOR VALUES FROM (0) TO (9) SERVER elsewhere"
    )
    try:
        said = place.run("vacuum", "--table", "t.parts").stdout
        assert "vacuum t.part: " in said
        assert "t.away" not in said
    finally:
        place.sql("DROP FOREIGN DATA WRAPPER nothing CASCADE")


@pytest.mark.parametrize(
    ("statement", "flagged"),
    [
        ("UPDATE t.rows SET at = at + 1; UPDATE t.rows SET at = at + 1", "t.rows"),
        ("CREATE TABLE t.fresh WITH (autovacuum_enabled = off) AS SELECT * FROM t.rows", "t.fresh"),
    ],
    ids=["changed too much", "never analyzed"],
)
def test_tables_with_stale_or_missing_statistics_are_analyzed(place, table, statement, flagged):
    place.sql(statement)
    wait_until(lambda: f"analyze {flagged} " in place.run("analyze").stdout, "the changes are counted")
    said = place.do("analyze")
    assert f"analyze {flagged} " in said
    assert last(place, "analyze", flagged) > 0
    assert "nothing to do" in place.do("analyze")


def test_partitioned_table_is_analyzed_once_with_partitions(place):
    said = place.do("analyze", "--table", "messages")
    assert said.count("analyze ") == 2
    assert "analyze public.messages as a whole, and each of its partitions" in said


def test_missing_table_is_rejected(place):
    done = place.run("vacuum", "--table", "t.nothing")
    assert done.returncode == 2
    assert "no table of metachat is called t.nothing" in done.stderr


def test_missing_maintenance_user_is_rejected(place):
    place.role = ""
    done = place.run("vacuum", "--all")
    assert done.returncode == 2
    assert "hosts.vps.databases.metachat declares no maintenance_user" in done.stderr
