"""How long vacuums take, on servers of every version at hand."""

import pytest

from opsproof.database import Result
from opsproof.errors import MeasurementError
from opsproof.facts.vacuum_costs import VacuumCosts

MADE = "CREATE TABLE t WITH (autovacuum_enabled = off) AS SELECT n AS id FROM generate_series(1, 40000) n"


def of(found, name="public.t"):
    return next((each for each in found.tables if each.table == name), None)


def test_vacuums_that_came_to_their_end_are_timed_from_18_on(cluster, table):
    table(MADE)
    assert of(cluster.value(VacuumCosts)) is None
    table("VACUUM t")
    first = cluster.value(VacuumCosts)
    earlier = {name: [reading] for name, reading in first.readings.items()}
    table("UPDATE t SET id = id", "VACUUM t", "VACUUM t")
    cost = of(cluster.value(VacuumCosts))
    assert cost.runs.value == 3
    with cluster.connect() as connection:
        timed = connection.info.server_version >= 180000
    assert (cost.took_s is not None) is timed
    assert (0 < (cost.mean_s(earlier) or 0) < 30) is timed
    assert ("each since the last run" in cost.line(earlier)) is timed


def test_a_vacuum_that_runs_is_timed(cluster, table):
    table(MADE)
    with cluster.connect() as session:
        session.execute("SET vacuum_cost_delay = '100ms'")
        session.execute("SET vacuum_cost_limit = 1")
        session.pgconn.send_query(b"VACUUM t")
        table("SELECT pg_sleep(0.5)")
        found = cluster.value(VacuumCosts)
        session.cancel()
        session.close()
    assert 0.4 < of(found).running_s < 60
    assert found.longest_s({name: [] for name in found.readings}) >= of(found).running_s
    assert "public.t: one has been running for" in found.lines({name: [] for name in found.readings})[0]


def test_who_sees_no_other_session_cannot_tell():
    with pytest.raises(MeasurementError, match="grant it pg_monitor"):
        VacuumCosts().parse(Result([[False, None, 0, None, None, 1.0, 2.0]]), None)
