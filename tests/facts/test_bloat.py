"""Judged bloat against exact figures of pgstattuple, on really bloated tables."""

import pytest

from opsproof.core.errors import DatabaseError, MeasurementError
from opsproof.core.limits import Limit, parse_rule
from opsproof.facts.bloat import BloatEstimates, BloatFigures, BloatMeasurements, Space
from opsproof.inventory.resources import Database
from opsproof.postgres.connection import Result

POINTS = 10
NUMBERS = "SELECT n AS id, md5(n::text) AS note, now() AS at FROM generate_series(1, {}) n"
PLAIN = [f"CREATE TABLE t WITH (autovacuum_enabled = off) AS {NUMBERS.format(30000)}"]
ROOMY = [f"CREATE TABLE t WITH (autovacuum_enabled = off, fillfactor = 70) AS {NUMBERS.format(30000)}"]
COLUMNS = ", ".join(f"NULL::text AS c{number}" for number in range(9))
SPARSE = f"SELECT n AS id, CASE WHEN n % 3 = 0 THEN md5(n::text) END AS a, {COLUMNS} FROM generate_series(1, 60000) n"
NULLS = [f"CREATE TABLE t WITH (autovacuum_enabled = off) AS {SPARSE}"]
OFF = "WITH (autovacuum_enabled = off, toast.autovacuum_enabled = off)"
TOAST = [
    f"CREATE TABLE t (id integer, body text) {OFF}",
    "ALTER TABLE t ALTER body SET STORAGE EXTERNAL",
    "INSERT INTO t SELECT n, repeat(md5(n::text), 150 + n % 100) FROM generate_series(1, 2000) n",
]


def vectors(dimensions, rows, storage="EXTERNAL"):
    """Rows with a vector, stored inline or in TOAST."""
    numbers = f"SELECT array_agg(random()) FROM generate_series(1, {dimensions}) k WHERE n + k > 0"
    return [
        "CREATE EXTENSION IF NOT EXISTS vector",
        f"CREATE TABLE t (id integer, content text, embedding vector({dimensions})) {OFF}",
        f"ALTER TABLE t ALTER embedding SET STORAGE {storage}",
        f"INSERT INTO t SELECT n, repeat(md5(n::text), 8), ({numbers})::vector FROM generate_series(1, {rows}) n",
    ]


HALF, MOST = "DELETE FROM t WHERE hashint4(id) & 7 < 4", "DELETE FROM t WHERE hashint4(id) & 15 < 11"
HARMS = {
    "none": [],
    "half deleted": [HALF],
    "most deleted and vacuumed": [MOST, "VACUUM t"],
    "updated twice": ["UPDATE t SET id = id"] * 2,
}
TABLES = {
    "plain": PLAIN,
    "with a fill factor": ROOMY,
    "with nulls": NULLS,
    "with TOAST": TOAST,
    "with vectors": vectors(256, 2000),
    "with vectors in TOAST": vectors(1024, 1500),
}


@pytest.fixture
def bloats(cluster):
    """Judged bloat of tables or indexes of the table t."""

    def judged(kind):
        declared = {"large_table": "300kB", "large_index": "300kB"}
        measured = cluster.value(BloatMeasurements)
        found = getattr(cluster.value(BloatEstimates, **declared), kind)(measured)
        return [each for each in found.bloats if each.space.name.startswith("public.t")]

    return judged


def truth(cluster, bloat):
    """Exact share that a rewrite would free, given the fill factor."""
    query = "SELECT dead_tuple_percent + free_percent FROM pgstattuple(%s::oid::regclass)"
    with cluster.connect() as connection:
        ((unused,),) = connection.execute(query, [bloat.space.oid])
    return max(0.0, 100 * (1 - (1 - unused / 100) / bloat.space.fillfactor))


@pytest.fixture
def made(cluster, table):
    """Creates a table and bloats it; skips vector tables without pgvector."""

    def make(statements, harm):
        with cluster.connect() as connection:
            known = connection.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'vector'").fetchone()
        if known is None and "vector" in statements[0]:
            pytest.skip("this server has no pgvector")
        table(*statements, "VACUUM (ANALYZE) t", *harm)

    return make


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("kind", TABLES)
def test_table_bloat_is_within_ten_points_of_exact_value(cluster, made, bloats, kind, harm):
    made(TABLES[kind], HARMS[harm])
    judged = bloats("tables")
    assert judged
    for each in judged:
        assert each.share == pytest.approx(truth(cluster, each), abs=POINTS), each


MANY = [f"CREATE TABLE t WITH (autovacuum_enabled = off) AS {NUMBERS.format(170000)}"]
UNIQUE, EQUAL = "CREATE UNIQUE INDEX t_id ON t (id)", "CREATE INDEX t_group ON t ((id % 200))"


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("index", [UNIQUE, EQUAL, "CREATE INDEX t_two ON t (note, id) INCLUDE (at)"])
def test_index_bloat_is_within_ten_points_of_exact_value(cluster, made, bloats, index, harm):
    made([*MANY, index], HARMS[harm])
    (each,) = bloats("indexes")
    assert each.share == pytest.approx(truth(cluster, each), abs=POINTS), each


@pytest.mark.parametrize("index", [UNIQUE, EQUAL])
def test_index_bloat_equals_space_freed_by_reindex(cluster, made, bloats, index):
    made([*MANY, index], [MOST, "VACUUM (ANALYZE) t"])
    (before,) = bloats("indexes")
    assert before.how == "measured"
    cluster.run("REINDEX TABLE t")
    with cluster.connect() as connection:
        ((after,),) = connection.execute("SELECT pg_relation_size(%s::oid::regclass)", [before.space.oid])
    assert before.share == pytest.approx(100 * (1 - after / before.space.size_bytes), abs=POINTS)


@pytest.mark.parametrize("harm", HARMS)
def test_page_space_beside_wide_rows_is_not_bloat(cluster, made, bloats, harm):
    made(vectors(1024, 1500, storage="PLAIN"), HARMS[harm])
    (before,) = [each for each in bloats("tables") if each.space.kind == "table"]
    cluster.run("VACUUM (FULL) t")
    with cluster.connect() as connection:
        ((after,),) = connection.execute("SELECT pg_relation_size('t')")
    assert before.share == pytest.approx(100 * (1 - after / before.space.size_bytes), abs=POINTS)


LOOSE = [
    f"CREATE TABLE t WITH (autovacuum_enabled = off, fillfactor = 50) AS {NUMBERS.format(30000)}",
    "CREATE UNIQUE INDEX t_id ON t (id) WITH (fillfactor = 50)",
]


@pytest.mark.parametrize("kind", ["tables", "indexes"])
@pytest.mark.parametrize(("harm", "share"), [([], 0), ([MOST, "VACUUM (ANALYZE) t"], 69)])
def test_low_fill_factor_does_not_hide_bloat(made, bloats, kind, harm, share):
    made(LOOSE, harm)
    assert [each.share for each in bloats(kind)] == [pytest.approx(share, abs=POINTS)]


WIDE = "SELECT n AS id, repeat(md5(n::text), 22) AS body FROM generate_series(1, 30000) n"
UNSURE = {
    "compressed": [f"CREATE TABLE t {OFF} AS {WIDE}", "CREATE INDEX t_body ON t (body)"],
    "partial": [*MANY, "CREATE UNIQUE INDEX t_some ON t (id) WHERE note < '8'"],
    "compressed and padded": [
        f"CREATE TABLE t {OFF} AS SELECT id, left(body, CASE id % 3 WHEN 0 THEN 700 ELSE 9 END) AS b FROM ({WIDE}) w",
        "CREATE INDEX t_b ON t (b)",
    ],
}


@pytest.mark.parametrize("kind", UNSURE)
@pytest.mark.parametrize("harm", [[], [MOST, "VACUUM (ANALYZE) t"]], ids=["sound", "bloated"])
def test_index_with_unreliable_estimate_is_measured(cluster, made, bloats, kind, harm):
    made(UNSURE[kind], harm)
    (each,) = bloats("indexes")
    assert each.how == "measured"
    assert each.share == pytest.approx(truth(cluster, each), abs=POINTS)


def test_table_of_other_access_method_is_skipped(cluster, made, bloats):
    cluster.run("CREATE ACCESS METHOD other TYPE TABLE HANDLER heap_tableam_handler")
    try:
        made([*PLAIN, "CREATE TABLE t2 USING other AS SELECT * FROM t"], [HALF])
        assert [(each.space.name, each.how) for each in bloats("tables")] == [("public.t", "measured")]
    finally:
        cluster.run("DROP ACCESS METHOD other CASCADE")


def test_invalid_index_is_skipped(cluster, made, bloats):
    made([*MANY, UNIQUE], [MOST, "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 't_id'::regclass"])
    assert bloats("indexes") == []


@pytest.mark.parametrize("harm", [[], ["ALTER TABLE t SET (fillfactor = 70)"]], ids=["plain", "roomy from now on"])
def test_table_with_low_estimate_is_not_measured(cluster, made, bloats, harm):
    made(PLAIN, harm)
    (bloat,) = bloats("tables")
    assert bloat.how == "estimated"
    assert bloat.space.oid not in cluster.value(BloatMeasurements).figures


def test_never_analyzed_table_is_measured(cluster, table, bloats):
    table(*PLAIN, HALF)
    (bloat,) = bloats("tables")
    assert (bloat.space.estimate, bloat.how) == (None, "measured")


def test_table_with_lost_counters_is_measured(cluster, made, bloats):
    made(PLAIN, ["SELECT pg_stat_reset_single_table_counters('t'::regclass)"])
    (bloat,) = bloats("tables")
    assert (bloat.how, bloat.share) == ("measured", pytest.approx(0, abs=3))


def test_suspects_are_unknown_without_pgstattuple(cluster, made):
    made(PLAIN, [HALF])
    cluster.run("DROP EXTENSION pgstattuple")
    try:
        found = cluster.value(BloatEstimates, large_table="300kB").tables(cluster.value(BloatMeasurements))
    finally:
        cluster.run("CREATE EXTENSION pgstattuple")
    assert found.bloats[0].share is None
    with pytest.raises(MeasurementError, match=r"1 relations may be bloated, .* is not installed\): public\.t$"):
        found.require_measured()


def test_relation_out_of_measuring_time_is_unknown():
    space = Space(1, "table", "public.t", 10**12, 1.0, None)
    found = BloatFigures({1: None}).assess([space])
    assert found.share == 0
    with pytest.raises(MeasurementError, match=r"out of time: raise the timeout\): public\.t"):
        found.require_measured()


def test_missing_grant_names_the_file_to_run(cluster):
    cluster.run("REVOKE SELECT (stawidth) ON pg_statistic FROM opsproof_monitor")
    try:
        with pytest.raises(DatabaseError, match=r"pg_statistic: run the SQL of .*--show=monitor\.sql"):
            cluster.value(BloatEstimates)
    finally:
        cluster.run("GRANT SELECT (stawidth) ON pg_statistic TO opsproof_monitor")


def space(oid, kind, size, estimate):
    return [oid, kind, f"public.{kind}", size, 1.0, estimate]


def test_relations_below_declared_sizes_are_skipped():
    rows = [space(1, "table", 99, 90), space(2, "index", 99, 90), space(3, "TOAST", 101, None)]
    declared = Database.model_validate({"dsn": "x", "large_table": "100B", "large_index": "50B"})
    found = BloatEstimates().parse(Result(rows), declared)
    assert [each.oid for each in found.spaces] == [2, 3]


def test_remedy_names_relations_over_the_limit():
    figures = BloatFigures({1: [100, 90, 10, 1], 2: [100, 50, 50, 1], 3: None})
    spaces = [Space(oid, "table", f"public.t{oid}", 100, 1.0, None) for oid in (1, 2, 3)]
    found = figures.assess(spaces)
    limit = Limit("table bloat", "percent", parse_rule("< 60%", "percent"))
    assert found.over(limit) == ["public.t1"]
    assert [each.split(": ")[0] for each in found.found.lines] == ["public.t3", "public.t1", "public.t2", "query"]


@pytest.mark.parametrize("row", [[1, "view", "x", 1, 1.0, 0.0], [1, "table"], ["x", "table", "x", 1, 1.0, 0.0]])
def test_malformed_rows_raise(row):
    with pytest.raises(ValueError, match=r"."):
        BloatEstimates().parse(Result([row]), Database(dsn="x"))
