"""Index facts on a real server."""

import pytest

from lab.postgres import SUPERUSER, leave_invalid
from opsproof.core.counters import Counter
from opsproof.core.errors import MeasurementError
from opsproof.core.limits import Estimate
from opsproof.facts.indexes import (
    Epoch,
    FoundIndex,
    IdleIndex,
    IdleIndexes,
    InvalidIndexes,
    LargeTables,
    RedundantIndexes,
    ScannedTable,
    StatisticsEpoch,
    TableScans,
    TablesWithoutKey,
    UnindexedForeignKeys,
    UnusedIndexes,
)
from opsproof.postgres.connection import Result, ask

DAY = 86400.0


@pytest.fixture
def admin(postgres):
    """A superuser session in the schema `shop`, dropped afterwards."""
    with postgres.server.connect(SUPERUSER, postgres.password, "postgres") as admin:
        admin.execute("CREATE SCHEMA shop; SET search_path = shop")
        yield admin
        admin.execute("DROP SCHEMA shop CASCADE")


@pytest.fixture
def found(postgres):
    """Value of a fact for the schema `shop`."""

    def found(fact):
        (result,) = ask(postgres.target(), [fact.sql])
        return fact().parse(result, None)

    return found


@pytest.fixture
def cut_off(postgres, admin):
    """Runs an endless statement and cancels it."""

    def cut_off(statement):
        with postgres.server.connect(SUPERUSER, postgres.password, "postgres") as other, other.transaction():
            other.execute("LOCK TABLE shop.t IN ROW EXCLUSIVE MODE")
            leave_invalid(admin, other, statement)

    return cut_off


def test_valid_indexes_are_not_reported(admin, found):
    admin.execute("CREATE TABLE t (id int PRIMARY KEY)")
    assert found(InvalidIndexes) == InvalidIndexes().parse(Result([]), None)


def test_invalid_indexes_need_pg_monitor():
    with pytest.raises(MeasurementError, match="grant pg_monitor to the role"):
        InvalidIndexes().parse(Result([["shop", "t_a", "t", False, False]]), None)


def test_interrupted_build_is_invalid_or_leftover(admin, found, cut_off):
    admin.execute("CREATE TABLE t (id int PRIMARY KEY, a int)")
    cut_off("CREATE INDEX CONCURRENTLY t_a ON t (a)")
    cut_off("REINDEX INDEX CONCURRENTLY t_pkey")
    broken = found(InvalidIndexes)
    assert [str(each) for each in broken.invalid] == ["shop.t_a: of t"]
    assert [str(each) for each in broken.leftovers] == ["shop.t_pkey_ccnew: of t"]


def test_partitioned_index_without_partition_index_is_not_rebuildable(admin, found):
    admin.execute("CREATE TABLE p (id int) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p DEFAULT")
    admin.execute("CREATE INDEX p_id ON ONLY p (id)")
    broken = found(InvalidIndexes)
    assert [each.name for each in broken.invalid] == ["shop.p_id"]
    assert "then ALTER INDEX ... ATTACH PARTITION" in broken.invalid[0].about
    assert broken.rebuildable == []


DEFERRABLE = "TABLE IF NOT EXISTS x (); ALTER TABLE t ADD CONSTRAINT late UNIQUE (a) DEFERRABLE"


@pytest.mark.parametrize(
    ("first", "second", "superfluous"),
    [
        ("INDEX one ON t (a)", "INDEX two ON t (a)", ["two"]),
        ("INDEX one ON t (a)", "INDEX two ON t (a, b)", ["one"]),
        ("INDEX one ON t (a, b)", "INDEX two ON t (a)", ["two"]),
        ("INDEX one ON t (a)", "UNIQUE INDEX two ON t (a)", ["one"]),
        ("UNIQUE INDEX one ON t (a)", "UNIQUE INDEX two ON t (a)", ["two"]),
        ("INDEX one ON t (id)", "INDEX two ON t (b)", ["one"]),
        ("INDEX one ON t (lower(c))", "INDEX two ON t (lower(c))", ["two"]),
        ("INDEX one ON t (a) WHERE b > 1", "INDEX two ON t (a) WHERE b > 1", ["two"]),
        ("INDEX one ON t (a)", "INDEX two ON t (a, b) INCLUDE (c)", ["one"]),
        ("INDEX one ON t USING hash (a)", "INDEX two ON t USING hash (a)", ["two"]),
        ("INDEX one ON t (a)", "INDEX two ON t (b, a)", []),
        ("UNIQUE INDEX one ON t (a)", "INDEX two ON t (a, b)", []),
        ("INDEX one ON t (a)", "INDEX two ON t (a DESC, b)", []),
        ("INDEX one ON t (c)", 'INDEX two ON t (c COLLATE "C", b)', []),
        ("INDEX one ON t (c)", "INDEX two ON t (c text_pattern_ops, b)", []),
        ("INDEX one ON t (a)", "INDEX two ON t (a, b) WHERE b > 1", []),
        ("INDEX one ON t (a) WHERE b > 1", "INDEX two ON t (a) WHERE b > 2", []),
        ("INDEX one ON t (lower(c))", "INDEX two ON t (upper(c))", []),
        ("INDEX one ON t (a) INCLUDE (c)", "INDEX two ON t (a, b)", []),
        ("INDEX one ON t (a)", "INDEX two ON t USING hash (a)", []),
        ("INDEX one ON t (a)", "INDEX two ON u (a, b)", []),
        ("UNIQUE INDEX one ON t (a) NULLS NOT DISTINCT", "UNIQUE INDEX two ON t (a)", []),
        ("UNIQUE INDEX one ON t (a)", DEFERRABLE, ["late"]),
        (DEFERRABLE, "UNIQUE INDEX two ON t (a)", ["late"]),
        (DEFERRABLE, "INDEX two ON t (a)", ["two"]),
    ],
)
def test_index_covered_by_another_is_redundant(admin, found, first, second, superfluous):
    admin.execute("CREATE TABLE t (id int PRIMARY KEY, a int, b int, c text); CREATE TABLE u (a int, b int)")
    for each in (first, second):
        admin.execute(f"CREATE {each}")
    assert [each.name for each in found(RedundantIndexes).indexes] == [f"shop.{each}" for each in superfluous]


def test_constraint_index_is_not_redundant(admin, found):
    admin.execute(
        "CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u (id int REFERENCES t); ALTER TABLE t ADD UNIQUE (id)"
    )
    assert [each.name for each in found(RedundantIndexes).indexes] == ["shop.t_id_key"]
    admin.execute("CREATE TABLE v (a int UNIQUE); CREATE TABLE w (a int REFERENCES v (a))")
    admin.execute("CREATE UNIQUE INDEX again ON v (a)")
    assert [each.name for each in found(RedundantIndexes).indexes] == ["shop.again", "shop.t_id_key"]


def test_partitions_of_redundant_index_are_not_listed(admin, found):
    admin.execute("CREATE TABLE t (a int, b int) PARTITION BY RANGE (a); CREATE TABLE t1 PARTITION OF t DEFAULT")
    admin.execute("CREATE INDEX one ON t (a); CREATE INDEX two ON t (a, b)")
    assert [each.name for each in found(RedundantIndexes).indexes] == ["shop.one"]


def test_indexes_of_partitions_alike_are_a_single_finding(admin, found):
    admin.execute("CREATE TABLE t (a int, b int, c int) PARTITION BY LIST (a)")
    for number in range(56):
        admin.execute(f"CREATE TABLE t{number} PARTITION OF t FOR VALUES IN ({number})")
        admin.execute(f"CREATE INDEX one{number} ON t{number} (b); CREATE INDEX two{number} ON t{number} (b, c)")
    admin.execute("CREATE INDEX third ON t7 (c); CREATE INDEX fourth ON t7 (c)")
    redundant = found(RedundantIndexes)
    first, second = sorted(redundant.lines)
    assert first == "shop.fourth: duplicate of third on t7, 8.2 kB"
    assert second.endswith(", 8.2 kB; 56 partitions of shop.t have such an index")
    assert {each.name for each in redundant.indexes} == {"shop.fourth", *(f"shop.one{n}" for n in range(56))}


def test_many_partitions_do_not_hide_other_indexes(admin, found):
    admin.execute("CREATE TABLE m (a int, b int) PARTITION BY LIST (a); CREATE TABLE t (a int, b int)")
    for number in range(350):
        admin.execute(f"CREATE TABLE m{number} PARTITION OF m FOR VALUES IN ({number})")
    for of in ("m", "t"):
        admin.execute(f"CREATE INDEX ON {of} (a); CREATE INDEX ON {of} (a, b); CREATE INDEX ON {of} (a, b, a)")
    names = {each.name for each in found(RedundantIndexes).indexes}
    assert names == {f"shop.{of}_{columns}_idx" for of in ("m", "t") for columns in ("a", "a_b")}


def test_text_has_reason_and_size(admin, found):
    admin.execute("CREATE TABLE t (a int, b int); CREATE INDEX one ON t (a); CREATE INDEX two ON t (a, b)")
    assert str(found(RedundantIndexes).indexes[0]) == "shop.one: prefix of two on t, 8.2 kB"


@pytest.mark.parametrize(
    ("index", "served"),
    [
        ("", False),
        ("CREATE INDEX ON child (parent)", True),
        ("CREATE INDEX ON child (parent, note)", True),
        ("CREATE INDEX ON child (note, parent)", False),
        ("CREATE INDEX ON child USING hash (parent)", True),
        ("CREATE INDEX ON child USING brin (parent)", False),
        ("CREATE INDEX ON child (parent) WHERE parent IS NOT NULL", True),
        ("CREATE INDEX ON child (parent) WHERE note > 'a'", False),
        ("CREATE INDEX ON child (parent) WHERE note IS NOT NULL", False),
    ],
)
def test_foreign_key_needs_index_with_leading_column(admin, found, index, served):
    admin.execute("CREATE TABLE parent (id int PRIMARY KEY)")
    admin.execute("CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent, note text)")
    admin.execute(index or "SELECT 1")
    assert (found(UnindexedForeignKeys) == ()) is served


@pytest.mark.parametrize(("columns", "served"), [("a, b", True), ("b, a", True), ("a, c, b", False), ("a", False)])
def test_composite_key_accepts_any_column_order(admin, found, columns, served):
    admin.execute("CREATE TABLE parent (x int, y int, PRIMARY KEY (x, y))")
    admin.execute("CREATE TABLE child (a int, b int, c int, FOREIGN KEY (a, b) REFERENCES parent)")
    admin.execute(f"CREATE INDEX ON child ({columns})")
    assert (found(UnindexedForeignKeys) == ()) is served


def test_key_referencing_many_partitions_counts_once(cluster):
    months = [f"CREATE TABLE p{n} PARTITION OF p FOR VALUES FROM ({n}) TO ({n + 1})" for n in range(24)]
    halves = [f"CREATE TABLE h{n} PARTITION OF h FOR VALUES FROM ({n}) TO ({n + 1})" for n in range(2)]
    try:
        cluster.run("CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id)", *months[:12])
        cluster.run("CREATE TABLE t (id int CONSTRAINT whole REFERENCES p)", *months[12:])
        cluster.run("CREATE TABLE h (id int CONSTRAINT half REFERENCES p) PARTITION BY RANGE (id)", *halves)
        names = [each.name.partition(":")[0] for each in cluster.value(UnindexedForeignKeys)]
        assert names == ["public.h0 half", "public.h1 half", "public.t whole"]
        assert "REFERENCES public.p(id)" in cluster.value(UnindexedForeignKeys)[-1].name
    finally:
        cluster.run("DROP TABLE IF EXISTS t, h, p")


@pytest.mark.parametrize(
    "key",
    ["FOREIGN KEY (a) REFERENCES parent (a) NOT ENFORCED", "FOREIGN KEY (r, PERIOD s) REFERENCES parent (r, PERIOD s)"],
)
def test_unenforced_and_period_keys_are_skipped(admin, found, key):
    admin.execute("CREATE TABLE parent (a int UNIQUE, r int4range, s int4range, UNIQUE (r, s WITHOUT OVERLAPS))")
    admin.execute(f"CREATE TABLE child (a int, r int4range, s int4range, {key})")
    assert found(UnindexedForeignKeys) == ()


def test_foreign_key_has_size_of_its_table(admin, found):
    admin.execute("CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child (parent int REFERENCES parent)")
    admin.execute("INSERT INTO parent VALUES (1); INSERT INTO child SELECT 1 FROM generate_series(1, 10000)")
    admin.execute("VACUUM child")
    (key,) = found(UnindexedForeignKeys)
    assert key.name == "shop.child child_parent_fkey: FOREIGN KEY (parent) REFERENCES shop.parent(id)"
    assert key.index == "CREATE INDEX CONCURRENTLY ON shop.child (parent)"
    assert 300_000 < key.size_bytes < 500_000


def test_system_and_extension_tables_need_no_primary_key(admin, found):
    admin.execute(
        "CREATE TABLE keyed (id int PRIMARY KEY); CREATE TABLE plain (id int); CREATE TEMP TABLE mine (id int)"
    )
    admin.execute("CREATE TABLE months (id int) PARTITION BY RANGE (id); CREATE TABLE m1 PARTITION OF months DEFAULT")
    admin.execute("CREATE UNLOGGED TABLE fleeting (id int)")
    admin.execute("INSERT INTO months SELECT generate_series(1, 1000)")
    admin.execute("VACUUM ANALYZE months")
    tables = {each.name: each for each in found(TablesWithoutKey)}
    assert {"shop.plain", "shop.months", "shop.fleeting"} <= tables.keys()
    assert not tables.keys() & {"shop.keyed", "shop.m1", "shop.mine"}
    assert next(iter(tables)) == "shop.months"
    assert tables["shop.months"].about.endswith("kB")


def test_unused_indexes_exclude_required_indexes(admin, found):
    admin.execute("CREATE TABLE t (id int PRIMARY KEY, a int UNIQUE, b int, c int)")
    admin.execute("INSERT INTO t SELECT n, n, n, n FROM generate_series(1, 20000) n")
    admin.execute("CREATE INDEX unused ON t (b); CREATE INDEX used ON t (c)")
    admin.execute("VACUUM ANALYZE t")
    admin.execute("SELECT FROM t WHERE c = 7")
    admin.execute("SELECT pg_stat_force_next_flush()")
    indexes = {each.index.name: each for each in found(UnusedIndexes).indexes}
    assert "shop.unused" in indexes
    assert not {"shop.used", "shop.t_pkey", "shop.t_a_key"} & set(indexes)
    epoch = found(StatisticsEpoch)
    assert indexes["shop.unused"].made_by < epoch.next_transaction
    assert epoch.since < epoch.now


EPOCH = Epoch(since=0.0, now=100 * DAY, next_transaction=5000)


def idle(scanned_days=None, made_by=1000):
    return IdleIndex(FoundIndex("i", "of t"), None if scanned_days is None else scanned_days * DAY, made_by)


def run(transaction, day):
    return Counter(transaction, 0.0, day * DAY)


@pytest.mark.parametrize(
    ("index", "earlier", "days"),
    [
        (idle(40), [], (40, 40)),
        (idle(), [], (0, 100)),
        (idle(), [run(2000, 65)], (35, 100)),
        (idle(), [run(900, 65)], (0, 100)),
        (idle(), [run(900, 35), run(2000, 65), run(3000, 95)], (35, 100)),
        (idle(), [run(9000, 65)], (0, 100)),
    ],
    ids=["scanned", "no run before", "seen", "not yet seen", "first run that saw it", "another server"],
)
def test_index_is_idle_since_first_run_that_saw_it(index, earlier, days):
    assert index.idle_s(EPOCH, earlier) == (days[0] * DAY, days[1] * DAY)


def test_idle_time_is_bounded_by_statistics_age():
    epoch = Epoch(since=90 * DAY, now=100 * DAY, next_transaction=5000)
    assert idle().idle_s(epoch, [run(2000, 40)]) == (10 * DAY, 10 * DAY)


def test_longest_idle_index_decides():
    indexes = IdleIndexes((idle(40), idle()))
    assert indexes.longest_s(EPOCH, [run(2000, 80)]) == Estimate(
        40 * DAY, 100 * DAY, "a never-scanned index may have been created since the last run"
    )
    assert IdleIndexes((idle(40), idle(3))).longest_s(EPOCH, []) == 40 * DAY
    assert IdleIndexes(()).longest_s(EPOCH, []) == 0


def test_unused_indexes_need_track_counts():
    with pytest.raises(MeasurementError, match="track_counts is off"):
        StatisticsEpoch().parse(Result([[0.0, 1.0, 2, False]]), None)


def test_full_reads_are_rows_read_per_row(admin, found):
    admin.execute(
        "CREATE TABLE t (id int PRIMARY KEY, a int); INSERT INTO t SELECT n, n FROM generate_series(1, 20000) n"
    )
    admin.execute("SELECT pg_stat_force_next_flush()")
    admin.execute("VACUUM ANALYZE t")
    for number in range(30):
        admin.execute(f"SELECT FROM t WHERE a = {number}")
    for number in range(10):
        admin.execute(f"SELECT FROM t WHERE id = {number}")
    admin.execute("SELECT pg_stat_force_next_flush()")
    tables = found(TableScans)
    (scans,) = tables.scanned({name: [] for name in tables.readings})
    assert (scans.name, scans.rows, scans.whole, scans.by_index) == ("shop.t", 20000, 30, 10)
    assert scans.index_scans == 25
    assert str(scans) == "shop.t: 20000 rows, read in full 30 times, 10 index scans"


def table(whole, by_index, now=100.0):
    return ScannedTable("t", 20000, Counter(whole * 20000, 0.0, now * DAY), Counter(by_index, 0.0, now * DAY))


def judged(table, earlier):
    return [(each.whole, each.by_index) for each in LargeTables((table,)).scanned(earlier)]


@pytest.mark.parametrize(
    ("whole", "before", "found"),
    [
        (1100, [], [(1100, 5000)]),
        (900, [], []),
        (1100, [(1000, 90)], []),
        (1200, [(1000, 90)], [(200, 1000)]),
        (1011, [(1000, 99.999)], [(11, 1000)]),
        (1010, [(1000, 99.999)], []),
    ],
    ids=["ever since", "rarely", "once too often", "since the last run", "in a moment", "in a moment, rarely"],
)
def test_table_read_in_full_ten_times_a_day_counts(whole, before, found):
    earlier = {
        "rows read t": [Counter(value * 20000, 0.0, day * DAY) for value, day in before],
        "index scans t": [Counter(4000, 0.0, day * DAY) for _, day in before],
    }
    assert judged(table(whole, 5000), earlier) == found


def test_growing_table_keeps_its_counters():
    earlier = {"rows read t": [Counter(5e6, 0.0, 99 * DAY)], "index scans t": [Counter(4000, 0.0, 99 * DAY)]}
    grown = ScannedTable("t", 10**6, Counter(7e6, 0.0, 100 * DAY), Counter(5000, 0.0, 100 * DAY))
    assert [each.whole for each in grown.since(earlier)] == [2]


def test_reset_counters_count_from_reset():
    earlier = {"rows read t": [Counter(9e9, -5.0, 99 * DAY)], "index scans t": [Counter(9000, -5.0, 99 * DAY)]}
    anew = ScannedTable("t", 20000, Counter(4e5, 99.5 * DAY, 100 * DAY), Counter(7, 99.5 * DAY, 100 * DAY))
    assert judged(anew, earlier) == [(20, 7)]
    assert LargeTables((anew,)).index_scans(earlier) == pytest.approx(100 * 7 / 27)


def test_possible_reset_gives_a_range():
    earlier = {"rows read t": [Counter(3e5, -5.0, 99 * DAY)], "index scans t": [Counter(6, -5.0, 99 * DAY)]}
    read, by_index = Counter(4e5, 99.5 * DAY, 100 * DAY), Counter(7, 99.5 * DAY, 100 * DAY)
    use = LargeTables((ScannedTable("t", 20000, read, by_index),)).index_scans(earlier)
    assert (use.low, use.high) == (pytest.approx(100 * 7 / 27), 100)


def test_no_table_read_in_full_is_100_percent():
    assert LargeTables(()).index_scans({}) == 100


def test_table_scans_need_track_counts():
    with pytest.raises(MeasurementError, match="track_counts is off"):
        TableScans().parse(Result([["t", 20000, 0.0, 0, 0.0, 1.0, False]]), None)
