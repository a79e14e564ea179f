import time
from dataclasses import replace

import pytest

from lab.waiting import wait_until
from opsproof.core.errors import MeasurementError
from opsproof.core.limits import Estimate
from opsproof.facts.bloat import BloatEstimates
from opsproof.facts.indexes import Epoch
from opsproof.facts.sizes import RelationSizes
from opsproof.facts.vacuum import DatabaseUpkeep, TableUpkeep, Upkeep

NUMBERS = "SELECT n AS id, md5(n::text) AS note FROM generate_series(1, {}) n"
MADE = f"CREATE TABLE t WITH (autovacuum_enabled = off) AS {NUMBERS.format(40000)}"
LOST = "SELECT pg_stat_reset_single_table_counters('t'::regclass)"
EPOCH = Epoch(100.0, 1000.0, 1)
ANALYZE_CATALOGS = """
DO $$ DECLARE each regclass; BEGIN
  FOR each IN SELECT relid FROM pg_stat_sys_tables WHERE n_mod_since_analyze > 50 AND schemaname = 'pg_catalog' LOOP
    EXECUTE format('ANALYZE %s', each);
  END LOOP;
END $$
"""


@pytest.fixture
def later(monkeypatch):
    """Moves the clock of queries eleven minutes ahead."""
    late = TableUpkeep.sql.replace("now()", "(now() + interval '11 min')")
    return lambda: monkeypatch.setattr(TableUpkeep, "sql", late)


@pytest.fixture
def upkeep(cluster):
    """Findings for the table t and for the database; the catalogs are vacuumed and analyzed first."""
    cluster.run("VACUUM")
    cluster.run(ANALYZE_CATALOGS)

    def parse():
        found = cluster.value(TableUpkeep)
        return next((each for each in found.tables if each.table == "public.t"), None), found

    return parse


def test_healthy_table_has_no_findings(table, upkeep):
    table(f"CREATE TABLE t AS {NUMBERS.format(40000)}", "VACUUM (ANALYZE) t", "DELETE FROM t WHERE id <= 5000")
    row, found = upkeep()
    assert row is None
    assert (found.dead_share, found.backlog, found.vacuum_age_s(EPOCH, {}), found.changed_share) == (0, 0, 0, 0)
    found.require_counted()


def test_dead_and_changed_rows_have_autovacuum_thresholds(table, upkeep):
    table(MADE, "ANALYZE t", "UPDATE t SET note = note WHERE id <= 20000")
    row, found = upkeep()
    assert (row.live, row.dead, row.vacuum_at) == (40000, 20000, 8050)
    assert (row.changed, row.analyze_at) == (20000, 4050)
    assert set(row.flags) == {"dead", "due", "stale", "left out"}
    assert found.dead_share == pytest.approx(33.3, abs=0.1)
    assert found.backlog == pytest.approx(248.4, abs=0.1)
    assert found.changed_share == 50
    assert found.vacuum_age_s(EPOCH, {}) == Estimate(
        0, 900, "public.t was not vacuumed since the last statistics reset"
    )
    assert found.dead.tables == ["public.t"]


def test_recently_vacuumed_table_may_exceed_threshold(cluster, table, upkeep, later):
    table(f"CREATE TABLE t AS {NUMBERS.format(40000)}", "VACUUM (ANALYZE) t", "DELETE FROM t WHERE id <= 30000")
    assert upkeep()[0].flags == ("due",)
    later()
    assert upkeep()[0].flags == ("dead", "due", "stale")


@pytest.mark.parametrize("end", ["ROLLBACK", "PREPARE TRANSACTION 'left behind'"], ids=["open", "prepared"])
def test_held_dead_rows_are_reported_despite_recent_vacuum(cluster, table, upkeep, monkeypatch, end):
    table(f"CREATE TABLE t AS {NUMBERS.format(40000)}", "VACUUM (ANALYZE) t")
    with cluster.connect() as session:
        session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pg_current_xact_id()")
        if "PREPARE" in end:
            session.execute(end)
        table("DELETE FROM t WHERE id <= 30000", "VACUUM t")
        assert "dead" not in upkeep()[0].flags
        monkeypatch.setattr(TableUpkeep, "sql", TableUpkeep.sql.replace("interval '10 min'", "interval '0'"))
        assert "dead" in upkeep()[0].flags
        session.execute("ROLLBACK" if end == "ROLLBACK" else "ROLLBACK PREPARED 'left behind'")
    table("VACUUM t")
    assert "dead" not in getattr(upkeep()[0], "flags", ())


def test_table_without_autovacuum_gets_no_grace_time(table, upkeep):
    table(MADE, "VACUUM (ANALYZE) t", "DELETE FROM t WHERE id <= 12000")
    assert upkeep()[0].flags == ("dead", "due", "stale", "left out")


def test_10_percent_changed_rows_without_analyze_are_stale(table, upkeep, later):
    table(
        f"CREATE TABLE t AS {NUMBERS.format(100000)}", "VACUUM (ANALYZE) t", "UPDATE t SET note = '' WHERE id <= 11000"
    )
    assert upkeep()[0] is None
    later()
    row, _ = upkeep()
    assert (row.flags, row.changed_share) == (("stale",), 11)


@pytest.mark.parametrize("option", ["autovacuum_vacuum_scale_factor = 10", "autovacuum_vacuum_threshold = 9000000"])
def test_high_thresholds_do_not_hide_dead_rows(table, upkeep, later, option):
    made = f"CREATE TABLE t WITH ({option}, autovacuum_analyze_scale_factor = 10) AS {NUMBERS.format(40000)}"
    table(made, "VACUUM (ANALYZE) t", "DELETE FROM t WHERE id <= 30000")
    assert upkeep()[0] is None
    later()
    row, found = upkeep()
    assert row.flags == ("dead", "stale")
    assert found.dead_share == 75


@pytest.mark.parametrize("of", ["vacuum", "vacuum_insert", "analyze"])
def test_unreachable_threshold_counts_as_autovacuum_off(table, upkeep, of):
    table(f"CREATE TABLE t WITH (autovacuum_{of}_threshold = 2000000000) AS SELECT 1 AS id")
    row, found = upkeep()
    assert row.flags == ("out of reach",)
    assert found.left_out.tables == found.out_of_reach.tables == ["public.t"]
    table(
        "ALTER TABLE t SET (autovacuum_vacuum_insert_threshold = -1)",
        f"ALTER TABLE t RESET (autovacuum_{of}_threshold)",
    )
    assert upkeep()[0] is None


def test_server_settings_are_not_table_findings(cluster, table, upkeep):
    table("CREATE TABLE t WITH (fillfactor = 70) AS SELECT 1 AS id")
    cluster.run("ALTER SYSTEM SET autovacuum_vacuum_insert_threshold = 2000000000", "SELECT pg_reload_conf()")
    try:
        setting = "SELECT current_setting('autovacuum_vacuum_insert_threshold')"
        with cluster.connect() as session:
            wait_until(lambda: session.execute(setting).fetchone() == ("2000000000",), "the setting holds")
        assert upkeep()[0] is None
    finally:
        cluster.run("ALTER SYSTEM RESET autovacuum_vacuum_insert_threshold", "SELECT pg_reload_conf()")


def test_due_table_waits_since_last_vacuum(table, upkeep):
    table(MADE, "VACUUM (ANALYZE) t", "DELETE FROM t WHERE id <= 9000")
    time.sleep(0.2)
    row, found = upkeep()
    assert row.flags == ("due", "left out")
    assert 0.2 <= found.vacuum_age_s(EPOCH, {}) < 60
    assert "last vacuum 0" not in str(row)


def test_inserts_alone_make_a_table_due(table, upkeep):
    table(MADE, "VACUUM (ANALYZE) t", f"INSERT INTO t {NUMBERS.format(9500)}")
    assert "due" not in upkeep()[0].flags
    table(f"INSERT INTO t {NUMBERS.format(500)}")
    assert "due" in upkeep()[0].flags


def test_frozen_pages_lower_the_insert_threshold(cluster, table, upkeep):
    table(MADE, "VACUUM (FREEZE, ANALYZE) t", f"INSERT INTO t {NUMBERS.format(3000)}")
    with cluster.connect() as session:
        by_pages = session.info.server_version >= 180000
    assert ("due" in upkeep()[0].flags) == by_pages


def test_table_under_vacuum_is_not_due(cluster, table, upkeep):
    table(MADE, "ANALYZE t", "DELETE FROM t WHERE id <= 20000")
    assert "due" in upkeep()[0].flags
    with cluster.connect() as session:
        session.execute("SET vacuum_cost_delay = '100ms'")
        session.execute("SET vacuum_cost_limit = 1")
        session.pgconn.send_query(b"VACUUM t")
        wait_until(lambda: "due" not in upkeep()[0].flags, "it is being vacuumed")
        session.cancel()
        session.close()


def test_never_vacuumed_table_waits_since_first_run_that_saw_it(table, upkeep):
    table(MADE, "DELETE FROM t WHERE id <= 20000")
    _, before = upkeep()
    readings = before.vacuum_readings(EPOCH)
    assert list(readings) == ["due public.t"]
    earlier, now = {name: [each] for name, each in readings.items()}, replace(EPOCH, now=1500.0)
    assert upkeep()[1].vacuum_age_s(now, earlier) == replace(before.vacuum_age_s(now, {}), low=500)
    assert upkeep()[1].vacuum_age_s(replace(now, since=1200.0), earlier).low == 0
    table("TRUNCATE t", f"INSERT INTO t {NUMBERS.format(40000)}", "DELETE FROM t WHERE id <= 20000")
    assert upkeep()[1].vacuum_age_s(now, earlier).low == 0


def test_table_settings_apply_to_its_toast_table(table, upkeep):
    settings = "autovacuum_vacuum_scale_factor = 0.5, autovacuum_vacuum_threshold = 100, autovacuum_enabled = no"
    table(f"CREATE TABLE t (body text) WITH ({settings})", "ALTER TABLE t ALTER body SET STORAGE EXTERNAL")
    table(
        "INSERT INTO t SELECT repeat('x', 3000) FROM generate_series(1, 6000) n", "VACUUM (ANALYZE) t", "DELETE FROM t"
    )
    toast = next(each for each in upkeep()[1].tables if each.is_toast and each.table == "public.t")
    assert (toast.name, toast.dead, toast.vacuum_at) == ("public.t (TOAST)", 12000, 6100)
    assert toast.flags == ("dead", "due", "left out")


def test_filled_table_without_statistics_is_unanalyzed(table, upkeep):
    table(MADE)
    row, found = upkeep()
    assert "unanalyzed" in row.flags
    assert [each.table for each in found.unanalyzed.rows] == ["public.t"]
    table("ANALYZE t")
    assert "unanalyzed" not in upkeep()[0].flags


def test_table_awaiting_autovacuum_is_unknown(table, upkeep):
    table(f"CREATE TABLE t AS {NUMBERS.format(5000)}")
    row, found = upkeep()
    assert "awaited" in row.flags
    assert found.unanalyzed_count(EPOCH, {}) == Estimate(
        0, 1, "public.t may have been filled just now: retry in a minute"
    )
    earlier = {name: [each] for name, each in found.analyze_readings(EPOCH).items()}
    assert found.unanalyzed_count(replace(EPOCH, now=1500.0), earlier).low == 0
    assert found.unanalyzed_count(replace(EPOCH, now=1600.0), earlier) == 1
    table("ALTER TABLE t SET (autovacuum_enabled = off)")
    assert upkeep()[1].unanalyzed_count(EPOCH, {}) == 1


@pytest.mark.parametrize(
    "statement",
    ["ALTER TABLE t DROP id, DROP note", "ALTER TABLE t ALTER id SET STATISTICS 0, ALTER note SET STATISTICS 0"],
)
def test_table_without_analyzable_columns_needs_no_statistics(table, upkeep, statement):
    table(f"CREATE TABLE t AS {NUMBERS.format(5000)}", statement, "VACUUM (ANALYZE) t")
    assert upkeep()[0] is None


def test_partitioned_table_without_statistics_is_unanalyzed(table, upkeep):
    table("CREATE TABLE t (id integer) PARTITION BY RANGE (id)")
    table("CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (9999)")
    table("INSERT INTO t SELECT generate_series(1, 2000)", "ANALYZE t1")
    assert upkeep()[0].flags == ("unanalyzed",)
    table("ANALYZE t")
    assert upkeep()[0] is None


def test_partitioned_table_that_grew_is_stale(table, upkeep):
    table("CREATE TABLE t (id integer) PARTITION BY RANGE (id)")
    table("CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (99999) PARTITION BY RANGE (id)")
    table("CREATE TABLE t2 PARTITION OF t1 FOR VALUES FROM (0) TO (99999)")
    table("INSERT INTO t SELECT generate_series(1, 2000)", "ANALYZE t")
    table("INSERT INTO t SELECT generate_series(2001, 4000)", "ANALYZE t2")
    row, found = upkeep()
    assert (row.flags, row.live, row.changed) == (("stale",), 4000, 2000)
    assert found.changed_share == 50
    table("ANALYZE t")
    assert upkeep()[0] is None


def test_table_with_lost_counters_is_unknown(table, upkeep):
    table(MADE, "ANALYZE t", LOST)
    row, found = upkeep()
    assert "uncounted" in row.flags
    assert found.dead_share == 0
    with pytest.raises(MeasurementError, match=r"counters of 1 tables were lost .*: public\.t; run VACUUM \(ANALYZE\)"):
        found.require_counted()
    table("ANALYZE t")
    upkeep()[1].require_counted()


def test_table_without_any_counts_is_judged_by_file_size(cluster, table, upkeep):
    table("CREATE TABLE t (id integer PRIMARY KEY, note text)", "CREATE TABLE small AS SELECT 1 AS id")
    table(f"INSERT INTO t {NUMBERS.format(40000)}", LOST, LOST.replace("'t'", "'small'"))
    row, found = upkeep()
    assert row.flags == ("unanalyzed", "uncounted")
    assert found.unanalyzed_count(EPOCH, {}) == 1
    with pytest.raises(MeasurementError, match=r"counters of 1 tables were lost .*: public\.t"):
        found.require_counted()
    assert [
        each.estimate for each in cluster.value(BloatEstimates, large_table="1MB").spaces if each.name == "public.t"
    ] == [None]
    sizes = cluster.value(RelationSizes)
    assert sizes.tables[0].name == "public.t"
    assert "public.t_pkey" in {each.name for each in sizes.indexes}
    table("DROP TABLE small", "ANALYZE t")
    assert cluster.value(RelationSizes).whole.size_bytes == pytest.approx(sizes.whole.size_bytes, abs=500_000)
    upkeep()[1].require_counted()


@pytest.mark.parametrize("first", ["SELECT 1", "TRUNCATE t"], ids=["plainly", "locked"])
def test_table_being_filled_is_unknown(cluster, table, upkeep, first):
    table("CREATE TABLE t (id integer, note text)")
    with cluster.connect() as session, session.transaction():
        session.execute(first)
        session.execute(f"INSERT INTO t {NUMBERS.format(40000)}".encode())
        row, found = upkeep()
        assert cluster.value(RelationSizes).tables
        cluster.value(BloatEstimates)
    assert row.flags == ("awaited",)
    assert found.unanalyzed_count(EPOCH, {}).low == 0
    found.require_counted()


def test_row_after_counter_loss_changes_nothing(table, upkeep):
    table(MADE, "ANALYZE t", "DELETE FROM t WHERE id < 9000", LOST, "INSERT INTO t VALUES (0, 'new')")
    assert "uncounted" in upkeep()[0].flags


def test_truncated_table_keeps_its_counters(table, upkeep):
    table(MADE, "ANALYZE t", "TRUNCATE t")
    assert "uncounted" not in upkeep()[0].flags


def test_worst_tables_come_first():
    tables = [Upkeep(f"t{n}", False, 100 - n, n, 1, 0, 1, None, 7, ("dead",)) for n in range(1, 30)]
    lines = DatabaseUpkeep(tuple(tables)).dead.lines
    assert [line.split(":")[0] for line in lines] == [*(f"t{n}" for n in range(29, 19, -1)), "query"]
