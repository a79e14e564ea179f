"""Statements are fast, and stay fast."""

import pytest

pytestmark = [pytest.mark.monthly, pytest.mark.caused_by("test_database_accepts_connections")]

SHOWN = 10
SLOWEST = (
    "SELECT calls, round(mean_exec_time) AS mean_ms, round(stddev_exec_time) AS stddev_ms,"
    " left(regexp_replace(query, '[[:space:]]+', ' ', 'g'), 100) AS query"
    " FROM pg_stat_statements WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
    " AND query !~* '^(copy|vacuum|analyze|reindex|create|alter|drop|cluster|refresh) '"
    " ORDER BY mean_exec_time DESC LIMIT 10"
)
LOOK = pytest.mark.remedy("psql", "-c", SLOWEST)
NOT_RECORDED = pytest.mark.caused_by("test_pg_stat_statements_is_enabled")
QUERY = f"query: {SLOWEST}"


@pytest.mark.remedy(
    "psql",
    "-c",
    "SHOW shared_preload_libraries",
    "-c",
    "CREATE EXTENSION IF NOT EXISTS pg_stat_statements",
    effect="counts nothing unless preloaded",
)
def test_pg_stat_statements_is_enabled(statement_extension, database, evidence):
    """Slow statements are invisible without pg_stat_statements."""
    evidence("where to load it", ["query: SHOW shared_preload_libraries"])
    assert statement_extension[database]


@pytest.mark.remedy("psql", "-c", "SHOW pg_stat_statements.max", "-c", "SELECT * FROM pg_stat_statements_info")
@NOT_RECORDED
def test_pg_stat_statements_evicts_nothing(statement_evictions, database, allowed, evidence, increase):
    """Evicted statements are not measured: raise pg_stat_statements.max, and look for literals in generated SQL."""
    evicted = statement_evictions[database]
    evidence("evictions since the last reset", [f"{evicted.value:.0f}", "query: SELECT * FROM pg_stat_statements_info"])
    assert increase(evicted, limit := allowed.statements_evicted) in limit


@LOOK
@NOT_RECORDED
def test_statement_time_is_within_limit(statements, database, allowed, evidence):
    """Users wait for each call: EXPLAIN (ANALYZE, BUFFERS) shows where the time goes."""
    found = statements[database]
    evidence("slowest statements", [*map(str, found.statements[:SHOWN]), QUERY])
    assert found.slowest_s in allowed.statement_time


@LOOK
@NOT_RECORDED
def test_rare_statement_time_is_within_limit(statements, database, allowed, evidence):
    """A rare statement holds locks and memory too: its standard deviation shows whether every call is slow."""
    found = statements[database]
    evidence("slowest statements with fewer than twenty calls", [*map(str, found.rare[:SHOWN]), QUERY])
    assert found.slowest_rare_s in allowed.rare_statement_time


@LOOK
@NOT_RECORDED
def test_no_statement_has_slowed_down(statements, database, allowed, evidence, remembered):
    """The statement was faster before: check for a changed plan, a grown table, a dropped index."""
    found = statements[database]
    slowed = found.slowed(remembered(found.readings))
    evidence("slower than before", [f"{times:.1f} times: {each}" for times, each in slowed[:SHOWN] if times > 1])
    assert max((times for times, _ in slowed), default=1.0) in allowed.statement_slowdown
