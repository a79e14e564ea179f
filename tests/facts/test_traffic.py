import pytest

from opsproof.core.counters import Counter
from opsproof.core.errors import MeasurementError
from opsproof.core.limits import Estimate
from opsproof.facts.traffic import NAMES, DatabaseTraffic, Traffic
from opsproof.postgres.connection import Result, ask

HOUR = 3600.0


def traffic(values, now=100 * HOUR, born=0.0):
    return Traffic({name: Counter(values.get(name, 0), born, now) for name in NAMES})


def earlier(values, hours=10, born=0.0):
    return {name: [Counter(values.get(name, 0), born, hours * HOUR)] for name in NAMES}


HIT, READ = "blocks found in memory", "blocks read"
COMMITTED, ROLLED_BACK = "transactions committed", "transactions rolled back"


def test_real_server_counts_traffic(postgres):
    (result,) = ask(postgres.target(), [DatabaseTraffic.sql])
    found = DatabaseTraffic().parse(result, None)
    assert set(found.counters) == set(NAMES)
    assert found.counters[COMMITTED].value > 0
    assert found.counters[HIT].born < found.counters[HIT].now


def test_traffic_needs_track_counts():
    with pytest.raises(MeasurementError, match="track_counts is off"):
        DatabaseTraffic().parse(Result([[*[0] * 7, 1.0, 2.0, False]]), None)


@pytest.mark.parametrize(
    ("now", "before", "percent"),
    [
        ({HIT: 9_000_000, READ: 1_000_000}, {}, 90),
        ({HIT: 9_000_000, READ: 1_000_000}, earlier({HIT: 5_000_000, READ: 0}), 80),
        ({HIT: 9_000_000, READ: 1_000_000}, earlier({HIT: 8_500_000, READ: 999_999}), None),
        ({HIT: 2_000_000}, earlier({HIT: 9_000_000, READ: 500_000}, born=-7.0), 100),
        ({}, {}, None),
    ],
    ids=["ever since", "since the last run", "too little since", "counters after a reset", "no traffic"],
)
def test_hit_ratio_counts_since_the_last_run(now, before, percent):
    assert traffic(now).hits(before) == percent


def test_shares_use_counters_of_same_time():
    before = earlier({COMMITTED: 50_000, ROLLED_BACK: 1000}, born=-7.0)
    assert traffic({COMMITTED: 9000, ROLLED_BACK: 1100}).rollbacks(before) == pytest.approx(100 * 1100 / 10100)


def test_possibly_too_little_traffic_is_unknown():
    before = earlier({COMMITTED: 8900, ROLLED_BACK: 1090}, born=-7.0)
    with pytest.raises(MeasurementError, match="were reset"):
        traffic({COMMITTED: 9000, ROLLED_BACK: 1100}).rollbacks(before)


def test_reset_counters_count_since_reset():
    before = earlier({"temporary bytes": 10**12}, hours=10, born=-7.0)
    anew = traffic({"temporary bytes": 4 * 10**9}, born=98 * HOUR)
    assert anew.temporary_bytes(before) == pytest.approx(4 * 10**9)


def test_possible_reset_gives_a_range():
    before = earlier({"deadlocks": 3}, hours=10, born=-7.0)
    now = traffic({"deadlocks": 93}, born=98 * HOUR)
    assert now.deadlocks_an_hour(before) == Estimate(1, 46.5, "the statistics were reset since the last run")


@pytest.mark.parametrize(("committed", "percent"), [(900, 10), (890, None)])
def test_rollback_share_needs_enough_transactions(committed, percent):
    assert traffic({COMMITTED: committed, ROLLED_BACK: 100}).rollbacks({}) == percent


@pytest.mark.parametrize(("hours", "a_day"), [(52, 0.5), (76, 1), (99.9, 1), (None, 0.24)])
def test_temporary_bytes_are_per_day(hours, a_day):
    before = earlier({}, hours) if hours else {}
    assert traffic({"temporary bytes": 10**9}).temporary_bytes(before) == pytest.approx(a_day * 10**9)


def test_evidence_has_the_time_span():
    before = earlier({HIT: 5, READ: 1}, hours=90)
    assert traffic({HIT: 9, READ: 1}).evidence(before, HIT, READ) == [
        "in 10 h: 4 blocks found in memory, 0 blocks read"
    ]
