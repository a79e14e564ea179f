"""VACUUM finishes in time."""

import pytest

pytestmark = [pytest.mark.monthly, pytest.mark.caused_by("test_database_accepts_connections")]


@pytest.mark.remedy(
    "psql",
    "-c",
    "SELECT pid, relid::regclass, phase, heap_blks_scanned, heap_blks_total FROM pg_stat_progress_vacuum",
    "-c",
    "SELECT name, setting FROM pg_settings WHERE name ~ 'vacuum_cost|autovacuum_(max_workers|work_mem)'",
)
def test_vacuum_time_is_within_limit(vacuum_costs, database, allowed, evidence, remembered):
    """The cost-based delay pauses VACUUM to spare the disk: raise vacuum_cost_limit, or lower vacuum_cost_delay."""
    costs = vacuum_costs[database]
    earlier = remembered(costs.readings)
    evidence("longest vacuums", costs.lines(earlier))
    assert costs.longest_s(earlier) in allowed.vacuum_time
