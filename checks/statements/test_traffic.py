"""A database reads from memory, and completes its transactions."""

import pytest

pytestmark = [pytest.mark.monthly, pytest.mark.caused_by("test_database_accepts_connections")]
COUNTERS = pytest.mark.remedy(
    "psql",
    "-c",
    "SELECT datname, xact_commit, xact_rollback, deadlocks, stats_reset FROM pg_stat_database ORDER BY datname",
)
MOST = (
    "SELECT calls, {0}, left(regexp_replace(query, '[[:space:]]+', ' ', 'g'), 100) AS query"
    " FROM pg_stat_statements ORDER BY {0} DESC LIMIT 10"
)


@pytest.mark.remedy("psql", "-c", MOST.format("shared_blks_read"))
def test_cache_hit_ratio_is_within_limit(database_traffic, database, allowed, evidence, remembered):
    """Blocks missing from shared buffers are read from disk; with too little traffic the ratio is not judged."""
    traffic = database_traffic[database]
    earlier = remembered(traffic.counters)
    evidence("blocks", traffic.evidence(earlier, "blocks found in memory", "blocks read"))
    hits = traffic.hits(earlier)
    assert hits is None or hits in allowed.cache_hit_ratio


@pytest.mark.remedy("psql", "-c", MOST.format("temp_blks_written"))
def test_temporary_bytes_are_within_limit(database_traffic, database, allowed, evidence, remembered):
    """Sorts and hashes over work_mem spill to disk: raise work_mem for the query, or add an index."""
    traffic = database_traffic[database]
    earlier = remembered(traffic.counters)
    evidence("temporary files", traffic.evidence(earlier, "temporary files", "temporary bytes"))
    assert traffic.temporary_bytes(earlier) in allowed.temporary_bytes


@COUNTERS
def test_deadlocks_are_within_limit(database_traffic, database, allowed, evidence, remembered):
    """Each deadlock aborts a transaction: the server log shows both statements."""
    traffic = database_traffic[database]
    earlier = remembered(traffic.counters)
    evidence("deadlocks", traffic.evidence(earlier, "deadlocks"))
    assert traffic.deadlocks_an_hour(earlier) in allowed.deadlock_rate
    assert traffic.deadlocks(earlier) in allowed.deadlocks


@COUNTERS
def test_rollbacks_are_within_limit(database_traffic, database, allowed, evidence, remembered):
    """Rollbacks are errors: the server log shows the cause; with few transactions the share is not judged."""
    traffic = database_traffic[database]
    earlier = remembered(traffic.counters)
    evidence("transactions", traffic.evidence(earlier, "transactions committed", "transactions rolled back"))
    rollbacks = traffic.rollbacks(earlier)
    assert rollbacks is None or rollbacks in allowed.rollbacks
