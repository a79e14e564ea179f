from math import inf

import pytest

from opsproof.core.build_times import age_s, bracket, grown_since
from opsproof.core.counters import Counter
from opsproof.core.limits import Estimate

NOW = 1000.0


def seen(build, moment):
    return Counter(build, 0.0, moment)


@pytest.mark.parametrize(
    ("sightings", "moments"),
    [
        ([], (-inf, NOW)),
        ([seen(7, 900)], (-inf, 900)),
        ([seen(7, 700), seen(7, 900)], (-inf, 700)),
        ([seen(6, 900)], (900, NOW)),
        ([seen(6, 700), seen(7, 900)], (700, 900)),
        ([seen(7, 900), seen(6, 700)], (700, 900)),
        ([seen(7, 500), seen(6, 700), seen(7, 900)], (700, 900)),
        ([seen(6, 700), seen(6, 700), seen(7, 900), seen(7, 900)], (700, 900)),
        ([seen(6, NOW)], (-inf, NOW)),
    ],
    ids=[
        "never seen",
        "seen once",
        "seen for long",
        "older build seen",
        "between two runs",
        "unordered",
        "repeated number",
        "each seen twice in a run",
        "a run at the same moment",
    ],
)
def test_build_time_is_between_last_old_and_first_new_sighting(sightings, moments):
    assert bracket(seen(7, NOW), sightings) == moments


def test_age_is_a_range_with_a_reason():
    assert age_s(seen(7, NOW), [seen(6, 700), seen(7, 900)]) == Estimate(100, 300, "built between two runs")
    assert age_s(seen(7, NOW), [seen(7, 900)]) == Estimate(100, inf, "built before the first recorded run")


def inserts(value, moment, born=0.0):
    return Counter(value, born, moment)


@pytest.mark.parametrize(
    ("readings", "grown"),
    [
        ([inserts(10, 700), inserts(40, 900)], (60, 90)),
        ([inserts(40, 900)], (60, inf)),
        ([], (0, inf)),
        ([inserts(10, 700, born=-5.0), inserts(40, 900)], (60, inf)),
        ([inserts(10, 700, born=-5.0), inserts(400, 900, born=-5.0)], (100, inf)),
    ],
    ids=["both known", "later known", "neither known", "reset before the later", "reset after the later"],
)
def test_growth_since_an_uncertain_moment_is_a_range(readings, grown):
    assert grown_since(inserts(100, NOW), readings, 700, 900 if readings else NOW) == grown
