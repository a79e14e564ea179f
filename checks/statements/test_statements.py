"""Statements are quick, and stay so."""

import pytest

pytestmark = pytest.mark.monthly

SHOWN = 10
SLOWEST = "SELECT calls, mean_exec_time, query FROM pg_stat_statements ORDER BY mean_exec_time DESC LIMIT 10"
LOOK = pytest.mark.remedy("psql", "-c", SLOWEST)
AGAIN = f"look again: {SLOWEST}"


@pytest.mark.remedy("psql", "-c", "CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
def test_pg_stat_statements_is_enabled(statement_extension, database, evidence):
    """Without pg_stat_statements nobody knows which queries are slow."""
    evidence("where it is loaded", ["again: SHOW shared_preload_libraries"])
    assert statement_extension[database]


@pytest.mark.remedy("psql", "-c", "SHOW pg_stat_statements.max", "-c", "SELECT * FROM pg_stat_statements_info")
def test_pg_stat_statements_evicts_nothing(statement_evictions, database, allowed, evidence, increase):
    """Of what was dropped nobody knows how slow it was: raise pg_stat_statements.max, see who writes values in SQL."""
    dropped = statement_evictions[database]
    evidence("drops since the last reset", [f"{dropped.value:.0f}", "again: SELECT * FROM pg_stat_statements_info"])
    assert increase(dropped, limit := allowed.statements_evicted) in limit


@LOOK
def test_statement_time_is_within_limit(statements, database, allowed, evidence):
    """Each call of it keeps somebody waiting: EXPLAIN (ANALYZE, BUFFERS) shows where its time goes."""
    found = statements[database]
    evidence("slowest statements", [*map(str, found.statements[:SHOWN]), AGAIN])
    assert found.slowest_s in allowed.statement_time


@LOOK
def test_no_statement_has_slowed_down(statements, database, allowed, evidence, remembered):
    """It did the same in less time before: has its plan changed, its table grown, an index gone?"""
    found = statements[database]
    slowed = found.slowed(remembered(found.readings))
    evidence("slower than before", [f"{times:.1f} times: {each}" for times, each in slowed[:SHOWN] if times > 1])
    assert max((times for times, _ in slowed), default=1.0) in allowed.statement_slowdown
