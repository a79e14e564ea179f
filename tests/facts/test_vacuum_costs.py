"""How long vacuums take, on servers of every version at hand."""

import time

import pytest

from lab.waiting import wait_until
from opsproof.core.counters import Counter
from opsproof.core.errors import MeasurementError
from opsproof.facts.vacuum_costs import VacuumCost, VacuumCosts
from opsproof.postgres.connection import Result

MADE = "CREATE TABLE t WITH (autovacuum_enabled = off) AS SELECT n AS id FROM generate_series(1, 40000) n"


def of(found, name="public.t"):
    return next((each for each in found.tables if each.table == name), None)


def test_finished_vacuums_are_timed_from_18_on(cluster, table):
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
    assert [0 < each < 30 for each in cost.means_s(earlier)] == [True] * timed
    assert ("on average since the last run" in cost.line(earlier)) is timed


def test_running_vacuum_is_timed(cluster, table):
    table(MADE)
    with cluster.connect() as session:
        session.execute("SET vacuum_cost_delay = '100ms'")
        session.execute("SET vacuum_cost_limit = 1")
        session.pgconn.send_query(b"VACUUM t")
        with cluster.connect() as other:
            vacuums = "SELECT count(*) FROM pg_stat_progress_vacuum"
            wait_until(lambda: other.execute(vacuums).fetchone() == (1,), "the vacuum runs")
        time.sleep(0.5)
        found = cluster.value(VacuumCosts)
        session.cancel()
        session.close()
    assert 0.4 < of(found).running_s < 60
    longest_s = found.longest_s({name: [] for name in found.readings})
    assert longest_s >= of(found).running_s
    assert "public.t: running for" in found.lines({name: [] for name in found.readings})[0]


def test_vacuum_costs_need_pg_monitor():
    with pytest.raises(MeasurementError, match="grant pg_monitor to the role"):
        VacuumCosts().parse(Result([[False, None, 0, None, None, 1.0, 2.0, True]]), None)


def test_vacuum_costs_need_track_counts():
    with pytest.raises(MeasurementError, match="track_counts is off"):
        VacuumCosts().parse(Result([[True, None, 0, None, None, 1.0, 2.0, False]]), None)


def cost(runs, took_s, born=0.0, now=100.0):
    return VacuumCost("t", Counter(runs, born, now), Counter(took_s, born, now), None)


@pytest.mark.parametrize(
    ("now", "before", "means_s"),
    [
        (cost(20, 600), cost(10, 100, now=50), [50]),
        (cost(25, 500, born=60), cost(20, 600, now=50), [20]),
        (cost(30, 700, born=60), cost(20, 600, now=50), [10, 700 / 30]),
        (cost(20, 600), cost(20, 600, now=50), []),
    ],
    ids=["since the last run", "began anew", "may have begun anew", "none since"],
)
def test_mean_uses_counters_of_same_time(now, before, means_s):
    assert now.means_s({name: [each] for name, each in before.readings.items()}) == pytest.approx(means_s)
