"""Statements are quick, and stay so."""

import pytest

pytestmark = pytest.mark.monthly

SHOWN = 10
AGAIN = "look again: SELECT calls, mean_exec_time, query FROM pg_stat_statements ORDER BY mean_exec_time DESC LIMIT 10"


def test_statements_are_recorded(statement_extension, database):
    """Without pg_stat_statements nobody knows which queries are slow."""
    assert statement_extension[database]


def test_no_statement_is_dropped(statement_evictions, database, allowed, increase):
    """Of what was dropped nobody knows how slow it was: raise pg_stat_statements.max, see who writes values in SQL."""
    dropped = statement_evictions[database]
    assert increase(dropped, limit := allowed.statements_dropped) in limit


def test_statements_are_quick(statements, database, allowed, evidence):
    """Each call of it keeps somebody waiting: EXPLAIN (ANALYZE, BUFFERS) shows where its time goes."""
    found = statements[database]
    evidence("slowest statements", [*map(str, found.statements[:SHOWN]), AGAIN])
    assert found.slowest_s in allowed.statement_time


def test_no_statement_has_slowed_down(statements, database, allowed, evidence, remembered):
    """It did the same in less time before: has its plan changed, its table grown, an index gone?"""
    found = statements[database]
    slowed = found.slowed(remembered(found.readings))
    evidence("slower than before", [f"{times:.1f} times: {each}" for times, each in slowed[:SHOWN] if times > 1])
    assert max((times for times, _ in slowed), default=1.0) in allowed.statement_slowdown
