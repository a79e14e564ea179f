"""Vector indexes on a real server: state and recall."""

import random

import psycopg
import pytest

from lab.postgres import SUPERUSER
from opsproof.core.errors import Absent, MeasurementError
from opsproof.facts.vector_indexes import VectorIndexes, VectorRecalls
from opsproof.postgres.connection import ask
from tests.facts.databases import as_monitor
from tests.facts.vectors import NAME, declared, index

ROWS = 3000


@pytest.fixture(scope="module")
def items(postgres_server, repository):
    """A table under forced row-level security, with an index of 20 lists and the recall function."""
    with postgres_server.server.connect(SUPERUSER, postgres_server.password, "postgres") as admin:
        admin.execute(
            "CREATE EXTENSION vector; CREATE ROLE opsproof_monitor LOGIN PASSWORD 'monitor' IN ROLE pg_monitor"
        )
        admin.execute(
            'CREATE TABLE chunks (embedding vector(3), "tenantId" text)'
        )  # recall.sql grants privileges on chunks
        admin.execute((repository / "docs" / "privileges" / "recall.sql").read_bytes())
        admin.execute(
            "CREATE SCHEMA shop; CREATE TABLE shop.items (id int PRIMARY KEY, kind text, embedding vector(16))"
        )
        _fill(admin)
        admin.execute(
            f"CREATE INDEX {NAME} ON shop.items USING ivfflat (embedding vector_l2_ops) WITH (lists = 20)".encode()
        )
        admin.execute(
            "ALTER TABLE shop.items ENABLE ROW LEVEL SECURITY; ALTER TABLE shop.items FORCE ROW LEVEL SECURITY"
        )
        admin.execute("CREATE POLICY nobody ON shop.items USING (false); SELECT pg_stat_force_next_flush()")
        admin.execute("ANALYZE shop.items")
        admin.execute("ALTER ROLE opsproof_monitor SET enable_seqscan = off")  # the table is small
        admin.execute("GRANT USAGE ON SCHEMA shop TO opsproof_recall")
        admin.execute("GRANT SELECT (ctid, kind, embedding) ON shop.items TO opsproof_recall")
        yield admin
        admin.execute("DROP SCHEMA shop, opsproof CASCADE; DROP TABLE chunks; DROP EXTENSION vector")
        admin.execute("DROP OWNED BY opsproof_recall, opsproof_monitor; DROP ROLE opsproof_recall, opsproof_monitor")


def _fill(admin):
    generator = random.Random(3)
    with admin.cursor().copy("COPY shop.items FROM STDIN") as copy:
        for number in range(ROWS):
            copy.write_row((number, f"kind {number % 3}", str([generator.gauss(0, 1) for _ in range(16)])))


@pytest.fixture
def measure(items, postgres, monkeypatch):
    """Recall as measured by the monitoring role."""

    def measure(name=NAME, **fields):
        resource = declared(**{"budget": "4s", **fields})
        (result,) = ask(as_monitor(postgres, monkeypatch), [VectorRecalls().query(name, resource)])
        return VectorRecalls().parse(result, resource)

    return measure


def test_probing_all_lists_gives_full_recall(measure):
    recall = measure()
    assert set(recall.shares) == {1.0}
    assert len(recall.shares) == 100
    assert recall.indexes == (NAME,)
    assert recall.compared_by == ()
    assert recall.through(NAME, declared()) == pytest.approx(96.3, abs=0.1)


def test_extension_in_another_schema_is_found(measure, items, repository):
    items.execute("CREATE SCHEMA vectors; ALTER EXTENSION vector SET SCHEMA vectors")
    try:
        items.execute((repository / "docs" / "privileges" / "recall.sql").read_bytes())
        assert set(measure().shares) == {1.0}
    finally:
        items.execute("ALTER EXTENSION vector SET SCHEMA public; DROP SCHEMA vectors CASCADE")


def share_found(items, table):
    """The percentage of the ten nearest neighbours that the index finds, for every tenth row."""
    found = {}
    for scan in ("on", "off"):
        items.execute(f"SET enable_indexscan = {scan}; SET enable_seqscan = {'off' if scan == 'on' else 'on'}".encode())
        search = f"SELECT id FROM {table} o WHERE o.id <> i.id ORDER BY o.embedding <-> i.embedding LIMIT 10"
        query = f"SELECT i.id, n.id FROM {table} i, LATERAL ({search}) n WHERE i.id % 10 = 0"
        found[scan] = set(items.execute(query.encode()).fetchall())
    items.execute("RESET enable_indexscan; RESET enable_seqscan")
    return 100 * len(found["on"] & found["off"]) / len(found["off"])


def test_recall_with_few_probes_matches_exact_comparison(measure, items):
    low, high = measure(probes=2, sample=400).interval
    items.execute("SET ivfflat.probes = 2")
    share = share_found(items, "shop.items")
    items.execute("RESET ivfflat.probes")
    assert 20 < share < 90
    assert low - 4 < share < high + 4  # the exact recall is sampled too


@pytest.mark.parametrize(("kind", "value_bytes"), [("halfvec", 40), ("sparsevec", 0)])
def test_recall_of_half_and_sparse_vectors_matches_exact_comparison(measure, state, items, kind, value_bytes):
    table, fields = f"shop.{kind}s", {"table": f"shop.{kind}s", "method": "hnsw", "probes": 0}
    items.execute(f"CREATE TABLE {table} AS SELECT id, embedding::{kind}(16) AS embedding FROM shop.items".encode())
    hnsw = f"USING hnsw (embedding {kind}_l2_ops) WITH (m = 4, ef_construction = 8)"
    try:
        items.execute(f"CREATE INDEX small ON {table} {hnsw}; ANALYZE {table}".encode())
        items.execute(f"GRANT SELECT (ctid, embedding) ON {table} TO opsproof_recall".encode())
        assert measure("small", **fields, ef_search=1000).through("small", declared(**fields)) > 90
        low, high = measure("small", **fields, ef_search=12, sample=400).interval
        items.execute("SET hnsw.ef_search = 12")
        assert low - 4 < share_found(items, table) < high + 4
        assert 20 < high < 90
        assert (state("small", **fields).dimensions, state("small", **fields).value_bytes) == (16, value_bytes)
    finally:
        items.execute(f"RESET hnsw.ef_search; DROP TABLE {table}".encode())


def test_filter_applies_to_both_searches(measure):
    assert set(measure(filter="kind").shares) == {1.0}
    assert measure(filter="kind", probes=1).interval[1] < 60


def test_few_rows_passing_the_filter_are_not_misses(measure, items):
    items.execute("UPDATE shop.items SET kind = 'rare' WHERE id < 8")
    try:
        recall = measure(filter="kind", sample=1000)
        assert set(recall.shares) == {1.0}
    finally:
        items.execute("UPDATE shop.items SET kind = 'kind ' || id % 3 WHERE id < 8")


def test_other_operator_does_not_use_the_index(measure):
    recall = measure(operator="<=>")
    assert recall.indexes == ()
    assert recall.shares == ()
    with pytest.raises(MeasurementError, match=f"the recall of {NAME} is unknown: the query does not use the index"):
        recall.through(NAME, declared())


@pytest.fixture
def tenants(items):
    """A table with an index on the tenant: 190 tenants of 20 rows each, and a tenant of 16,000 rows."""
    items.execute("CREATE TABLE shop.tenants (tenant int, embedding vector(16))")
    random_vector = "(SELECT array_agg(random() + 0 * (i + t + n)) FROM generate_series(1, 16) i)::vector(16)"
    rows = (
        f"INSERT INTO shop.tenants SELECT t, {random_vector} FROM generate_series({{}}) t, generate_series(1, {{}}) n"
    )
    items.execute(rows.format("1, 190", 20).encode())
    items.execute(rows.format("0, 0", 16000).encode())
    items.execute("CREATE INDEX ON shop.tenants (tenant)")
    items.execute("CREATE INDEX tenants_idx ON shop.tenants USING ivfflat (embedding vector_l2_ops) WITH (lists = 20)")
    items.execute("GRANT SELECT (ctid, tenant, embedding) ON shop.tenants TO opsproof_recall; ANALYZE shop.tenants")
    yield items
    items.execute("DROP TABLE shop.tenants")


PREFERRED = {"table": "shop.tenants", "filter": "tenant", "neighbours": 5}


def test_exact_plan_for_a_small_tenant_is_no_fault(measure, tenants):
    tenants.execute("DELETE FROM shop.tenants WHERE tenant = 0; ANALYZE shop.tenants")
    recall = measure("tenants_idx", **PREFERRED)
    assert (recall.shares, recall.exact >= 100, recall.usable) == ((), True, True)
    assert recall.is_served("tenants_idx", declared(**PREFERRED))
    assert recall.through("tenants_idx", declared(**PREFERRED)) > 95
    assert recall.evidence[-1] == f"for {recall.exact} rows the planner preferred a plan without the index"


def test_recall_is_measured_where_the_planner_prefers_the_index(measure, tenants):
    recall = measure("tenants_idx", **PREFERRED, probes=1)
    assert len(recall.shares) == 100
    assert recall.exact > 5
    assert recall.through("tenants_idx", declared(**PREFERRED)) < 90


def test_index_unusable_for_the_query_is_a_fault(measure, tenants):
    fields = {**PREFERRED, "operator": "<=>"}
    recall = measure("tenants_idx", **fields)
    assert not recall.is_served("tenants_idx", declared(**fields))
    with pytest.raises(MeasurementError, match="the query does not use the index"):
        recall.through("tenants_idx", declared(**fields))


def test_index_switched_off_is_a_fault_with_a_filter_too(measure, tenants):
    tenants.execute("ALTER ROLE opsproof_monitor SET enable_indexscan = off")
    try:
        assert not measure("tenants_idx", **PREFERRED).is_served("tenants_idx", declared(**PREFERRED))
    finally:
        tenants.execute("ALTER ROLE opsproof_monitor RESET enable_indexscan")


@pytest.mark.parametrize("harm", ["UPDATE shop.bare SET embedding = NULL", "DELETE FROM shop.bare"])
def test_recall_is_unknown_if_all_values_are_null(measure, items, harm):
    items.execute("CREATE TABLE shop.bare AS SELECT embedding FROM shop.items")
    try:
        items.execute("CREATE INDEX bare_idx ON shop.bare USING ivfflat (embedding vector_l2_ops) WITH (lists = 20)")
        items.execute("GRANT SELECT (ctid, embedding) ON shop.bare TO opsproof_recall; ANALYZE shop.bare")
        items.execute(harm.encode())
        with pytest.raises(MeasurementError, match=r"embedding is NULL in all sampled rows of shop\.bare"):
            measure("bare_idx", table="shop.bare")
    finally:
        items.execute("DROP TABLE shop.bare")


KEPT_DOMAIN = "CREATE DOMAIN shop.kept_domain AS int CHECK (shop.kept(VALUE) > 0)"


@pytest.mark.parametrize(
    "made",
    [
        "CREATE INDEX kept_index ON shop.items ((shop.kept(1) + 1))",
        "CREATE INDEX kept_index ON shop.items (id) WHERE shop.kept(1) > 0",
        "CREATE STATISTICS shop.kept_statistics ON (shop.kept(1) + id), id FROM shop.items",
        "ALTER TABLE shop.items ADD CONSTRAINT kept_check CHECK (shop.kept(1) > 0)",
        f"{KEPT_DOMAIN}; CREATE INDEX kept_index ON shop.items ((1::shop.kept_domain + id))",
    ],
    ids=["expression", "predicate", "statistics", "constraint", "domain"],
)
def test_table_with_code_of_another_role_is_refused(measure, items, made):
    items.execute(
        "CREATE ROLE keeper; CREATE FUNCTION shop.kept(int) RETURNS int LANGUAGE plpgsql IMMUTABLE"
        " AS 'BEGIN RETURN 1; END'; ALTER FUNCTION shop.kept OWNER TO keeper"
    )
    items.execute(made.encode())
    try:
        with pytest.raises(MeasurementError, match=r"shop\.items calls shop\.kept\(integer\) of keeper"):
            measure()
        items.execute("ALTER FUNCTION shop.kept OWNER TO CURRENT_USER")
        assert len(measure().shares) == 100
    finally:
        items.execute(
            "DROP DOMAIN IF EXISTS shop.kept_domain CASCADE; DROP FUNCTION shop.kept CASCADE; DROP ROLE keeper"
        )


def test_code_of_an_inheriting_table_is_not_run(measure, items):
    items.execute(
        "CREATE ROLE keeper; CREATE FUNCTION shop.kept(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS"
        " 'BEGIN IF current_user = ''opsproof_recall'' THEN RAISE ''runs as %'', current_user; END IF; RETURN 1; END'"
    )
    try:
        items.execute(
            "CREATE TABLE shop.kept_items () INHERITS (shop.items);"
            " CREATE INDEX ON shop.kept_items ((shop.kept(1) + 1));"
            " ALTER TABLE shop.kept_items OWNER TO keeper; ALTER FUNCTION shop.kept OWNER TO keeper;"
            " INSERT INTO shop.kept_items SELECT * FROM shop.items"
        )
        assert set(measure().shares) == {1.0}
    finally:
        items.execute("DROP TABLE IF EXISTS shop.kept_items; DROP FUNCTION shop.kept; DROP ROLE keeper")


def test_too_small_budget_raises(measure):
    with pytest.raises(MeasurementError, match=r"only 8 rows were compared \(minimum 80\)"):
        _ = measure(budget="1ms").interval


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"table": "shop.none"}, 'relation "shop.none" does not exist'),
        ({"table": "pg_catalog.pg_authid", "column": "rolname"}, "is no table with a column rolname"),
        ({"column": "id"}, "is no table with a column id"),
        ({"filter": "id"}, "permission denied for table items"),
        ({"column": "none"}, "is no table with a column none"),
        ({"filter": "none"}, "has no column none of a base type"),
        ({"table": 'shop.items"; DROP TABLE chunks; --'}, "does not exist"),
    ],
)
def test_function_reveals_nothing_else(measure, fields, complaint):
    with pytest.raises(MeasurementError, match=complaint):
        measure(**fields)


def test_operator_argument_is_never_run_as_sql(items, postgres, monkeypatch):
    query = VectorRecalls().query(NAME, declared())
    query[query.index("<->")] = "<-> (SELECT 1) --"
    (result,) = ask(as_monitor(postgres, monkeypatch), [query])
    assert "is no table with a column embedding to order by" in result.error


@pytest.mark.parametrize(
    "query",
    [
        "SELECT count(*) FROM shop.items",
        "SELECT opsproof.random_places('shop.items', 'embedding', 1)",
        "SET ROLE opsproof_recall",
    ],
)
def test_monitoring_role_reads_no_rows(items, postgres, monkeypatch, query):
    (result,) = ask(as_monitor(postgres, monkeypatch), [query])
    assert "permission denied" in result.error


def test_recall_is_unknown_without_the_function(postgres):
    resource = declared()
    (result,) = ask(
        postgres.target(dsn=postgres.target().dsn.replace("=postgres", "=template1")),
        [VectorRecalls().query(NAME, resource)],
    )
    with pytest.raises(MeasurementError, match=r"--show=recall\.sql in the database"):
        VectorRecalls().parse(result, resource)


@pytest.fixture
def state(items, postgres):
    def state(name=NAME, **fields):
        resource = declared(**fields)
        (result,) = ask(postgres.target(), [VectorIndexes().query(name, resource)])
        return VectorIndexes().parse(result, resource)

    return state


def test_real_index_state_is_read(state, items):
    found = state()
    (build,) = items.execute(f"SELECT pg_relation_filenode('shop.{NAME}')".encode()).fetchone()
    assert (found.name, found.method, found.valid) == (f"shop.{NAME}", "ivfflat", True)
    assert (found.lists, found.dimensions, found.value_bytes) == (20, 16, 72)
    assert (found.build, found.rows, found.inserted.value) == (build, ROWS, ROWS)
    assert found.release == "current"
    assert found.lists_ratio == pytest.approx(20 / 3, rel=0.01)
    items.execute(f"REINDEX INDEX shop.{NAME}".encode())
    assert state().build != build


@pytest.mark.parametrize("fields", [{"name": "items_pkey", "table": "shop.none"}, {"name": "none"}])
def test_missing_index_is_absent(state, fields):
    with pytest.raises(Absent, match="has no vector index of the declared name"):
        state(**fields)


@pytest.mark.parametrize(("lists", "fits"), [(300, True), (450, True), (560, False)])
def test_build_memory_matches_pgvectors_error_message(items, lists, fits):
    state = index(lists=lists, rows=ROWS, dimensions=16, value_bytes=72, maintenance_bytes=8 * 2**20)
    items.execute("SET maintenance_work_mem = '8MB'")
    create = f"CREATE INDEX probe ON shop.items USING ivfflat (embedding vector_l2_ops) WITH (lists = {lists})"
    try:
        items.execute(create.encode())
        items.execute("DROP INDEX shop.probe")
        built = True
    except psycopg.errors.ProgramLimitExceeded:
        built = False
    finally:
        items.execute("RESET maintenance_work_mem")
    assert (built, state.build_memory < 100) == (fits, fits)
