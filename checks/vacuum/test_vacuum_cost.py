"""VACUUM comes to its end while it still matters."""

import pytest

pytestmark = pytest.mark.monthly


@pytest.mark.remedy(
    "psql", "-c", "SELECT name, setting FROM pg_settings WHERE name ~ 'vacuum_cost|autovacuum_(max_workers|work_mem)'"
)
def test_vacuum_time_is_within_limit(vacuum_costs, database, allowed, evidence, remembered):
    """It pauses after so much work, to spare the disk: with too little of it a large table is never done."""
    costs = vacuum_costs[database]
    earlier = remembered(costs.readings)
    evidence("vacuums that take longest", costs.lines(earlier))
    assert costs.longest_s(earlier) in allowed.vacuum_time
