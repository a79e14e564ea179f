import pytest

from opsproof.limits import AtLeast, Estimate
from opsproof.samples import Counter, increase

DAY = 86_400.0
NOW = 100 * DAY
BORN = 10 * DAY


def reading(value, days_ago, born=BORN):
    return Counter(value, born, NOW - days_ago * DAY)


@pytest.mark.parametrize(
    ("counter", "samples", "grown"),
    [
        (Counter(7, NOW - DAY / 2, NOW), [], 7),
        (Counter(7, NOW - DAY, NOW), [], 7),
        (reading(7, 0), [reading(5, 1)], 2),
        (reading(7, 0), [reading(5, 1), reading(3, 2)], 2),
        (reading(7, 0), [reading(5, 0.97)], 2),
        (reading(7, 0), [reading(5, 30)], 2),
        (reading(7, 0), [reading(7, 1), reading(7, 0.5)], 0),
        (reading(0, 0), [], 0),
        (Counter(7, BORN, NOW, quiet_since=NOW - DAY), [], 0),
        (Counter(7, BORN, NOW, quiet_since=NOW - 3 * DAY), [reading(5, 1)], 0),
        (Counter(7, BORN, NOW, quiet_since=NOW - DAY / 2), [reading(5, 1)], 2),
    ],
    ids=[
        "daemon first born within the span",
        "daemon born at its very beginning",
        "a sample at its beginning",
        "the newest of the samples before it",
        "a round that began a little early",
        "a long pause between rounds",
        "nothing happened",
        "never counted",
        "quiet since its beginning",
        "quiet for longer",
        "quiet for less",
    ],
)
def test_the_increase_is_known(counter, samples, grown):
    assert increase(counter, samples, DAY) == grown


@pytest.mark.parametrize(
    ("samples", "low", "high", "why"),
    [
        ([], 0, 7, "no earlier run is on record"),
        ([reading(5, 0.5)], 2, 7, "the history reaches back 12 h, not 1 d"),
        ([reading(6, 0.25), reading(5, 0.5)], 2, 7, "the history reaches back 12 h, not 1 d"),
        ([reading(5, -1)], 0, 7, "no earlier run is on record"),
    ],
    ids=[
        "no history",
        "partial history",
        "the oldest of a partial history",
        "a sample from the future",
    ],
)
def test_what_the_history_does_not_reach_is_an_estimate(samples, low, high, why):
    assert increase(reading(7, 0), samples, DAY) == Estimate(low, high, why)


@pytest.mark.parametrize(
    ("counter", "samples", "least", "why"),
    [
        (Counter(0, NOW - DAY / 24, NOW), [reading(200, 0.5)], 0, "the PM2 daemon started again"),
        (Counter(3, NOW - DAY / 24, NOW), [reading(190, 1), reading(200, 0.5)], 13, "the PM2 daemon started again"),
        (reading(3, 0), [reading(200, 1)], 3, "the counter was reset"),
        (reading(7, 0), [reading(9, 5)], 0, "the counter was reset"),
        (reading(7, 0), [reading(9, 2), reading(0, 0.5)], 7, "the counter was reset"),
    ],
    ids=["reborn", "reborn after growth", "reset", "reset at an unknown time", "reset before a reading of the span"],
)
def test_of_a_counter_that_started_again_the_least_is_told(counter, samples, least, why):
    assert increase(counter, samples, DAY) == AtLeast(least, f"{why}, and what it counted before is lost")
