"""Growth of counters."""

import pytest

from opsproof.core.counters import Counter, increase, increase_since
from opsproof.core.limits import AtLeast, Estimate

DAY = 86_400.0
NOW = 100 * DAY
BORN = 10 * DAY


REBORN = "the statistics were reset"


def reading(value, days_ago, born=BORN, **fields):
    return Counter(value, born, NOW - days_ago * DAY, **fields)


@pytest.mark.parametrize(
    ("counter", "samples", "grown"),
    [
        (Counter(7, NOW - DAY / 2, NOW), [], 7),
        (Counter(7, NOW - DAY, NOW), [], 7),
        (reading(7, 0), [reading(5, 1)], 2),
        (reading(7, 0), [reading(5, 1), reading(3, 2)], 2),
        (reading(7, 0), [reading(5, 0.97)], 2),
        (reading(7, 0), [reading(5, 23 / 24)], 2),
        (reading(7, 0), [reading(5, 30)], 2),
        (reading(7, 0), [reading(7, 1), reading(7, 0.5)], 0),
        (reading(0, 0), [], 0),
        (Counter(7, BORN, NOW, quiet_since=NOW - DAY), [], 0),
        (Counter(7, BORN, NOW, quiet_since=NOW - 3 * DAY), [reading(5, 1)], 0),
        (Counter(7, BORN, NOW, quiet_since=NOW - DAY / 2), [reading(5, 1)], 2),
    ],
    ids=[
        "daemon first born within the span",
        "daemon born at the start",
        "sample at the start",
        "newest sample before the span",
        "round started early",
        "start of summer time",
        "a long pause between rounds",
        "nothing happened",
        "never counted",
        "quiet since its beginning",
        "quiet for longer",
        "quiet for less",
    ],
)
def test_increase_within_the_span(counter, samples, grown):
    assert increase(counter, samples, DAY) == grown


@pytest.mark.parametrize(
    ("samples", "low", "high", "why"),
    [
        ([], 0, 7, "no earlier run is on record"),
        ([reading(5, 0.5)], 2, 7, "the history covers 12 h (1 d needed)"),
        ([reading(6, 0.25), reading(5, 0.5)], 2, 7, "the history covers 12 h (1 d needed)"),
        ([reading(5, -1)], 0, 7, "no earlier run is on record"),
    ],
    ids=[
        "no history",
        "partial history",
        "oldest of a partial history",
        "a sample from the future",
    ],
)
def test_increase_is_a_range_if_history_is_too_short(samples, low, high, why):
    assert increase(reading(7, 0), samples, DAY) == Estimate(low, high, why)


@pytest.mark.parametrize(
    ("counter", "samples", "least", "why"),
    [
        (Counter(0, NOW - DAY / 24, NOW), [reading(200, 0.5)], 0, REBORN),
        (Counter(3, NOW - DAY / 24, NOW), [reading(190, 1), reading(200, 0.5)], 13, REBORN),
        (reading(3, 0), [reading(200, 1)], 3, "the counter was reset"),
        (reading(7, 0), [reading(9, 5)], 0, "the counter was reset"),
        (reading(7, 0), [reading(9, 2), reading(0, 0.5)], 7, "the counter was reset"),
        (reading(7, 0), [reading(9, 25 / 24)], 7, "the counter was reset"),
    ],
    ids=[
        "reborn",
        "reborn after growth",
        "reset",
        "reset at an unknown time",
        "reset before a reading of the span",
        "reset at the end of summer time",
    ],
)
def test_increase_of_a_restarted_counter_is_a_lower_bound(counter, samples, least, why):
    assert increase(counter, samples, DAY) == AtLeast(least, f"{why}; the earlier count is lost")


def test_lower_bound_names_the_reason_of_the_restart():
    counter = Counter(0, NOW - DAY / 24, NOW, reborn="Redis started again")
    assert increase(counter, [reading(200, 0.5)], DAY).why == "Redis started again; the earlier count is lost"


# Increase since the last run.


@pytest.mark.parametrize(
    ("counter", "last", "grown"),
    [
        (reading(0, 0), None, 0),
        (reading(7, 0), reading(7, 1), 0),
        (reading(7, 0), reading(5, 1), 2),
        (reading(7, 0), reading(5, 30), 2),
        (reading(7, 0), reading(5, 0.0001), 2),
        (reading(7, 0, grew=NOW - DAY / 2), reading(5, 1), 2),
        (reading(7, 0, grew=NOW - DAY / 2), reading(7, 1), 1),
        (reading(7, 0, grew=NOW - 2 * DAY), reading(7, 1), 0),
        (reading(7, 0, grew=NOW - DAY), reading(7, 1), 0),
        (reading(7, 0, falls=True), reading(5, 1), 2),
        (reading(5, 0, falls=True), reading(7, 1), 0),
        (reading(5, 0, falls=True, born=0.0), reading(3, 1, born=BORN), 2),
    ],
    ids=[
        "never counted, no earlier run",
        "nothing happened",
        "growth",
        "a long pause between runs",
        "concurrent runs",
        "counted, and known to have happened",
        "not counted, and known to have happened",
        "happened before the last run",
        "happened at the last run",
        "more is there",
        "some was cleared",
        "falling counter has no start",
    ],
)
def test_increase_since_the_last_run(counter, last, grown):
    assert increase_since(counter, last) == grown


@pytest.mark.parametrize(
    ("counter", "high"),
    [
        (reading(7, 0), 7),
        (reading(7, 0, falls=True), 7),
        (reading(0, 0, grew=NOW - DAY), 1),
        (reading(7, 0, grew=NOW - DAY), 7),
    ],
    ids=["counter", "falling counter", "only an event is known", "counter with an event"],
)
def test_increase_is_a_range_without_an_earlier_run(counter, high):
    assert increase_since(counter, None) == Estimate(0, high, "no earlier run is on record")


@pytest.mark.parametrize(
    ("counter", "last", "least", "why"),
    [
        (Counter(3, NOW - DAY / 2, NOW), reading(200, 1), 3, REBORN),
        (Counter(0, NOW - DAY / 2, NOW), reading(200, 1), 0, REBORN),
        (Counter(0, NOW - DAY / 2, NOW, grew=NOW - DAY / 2), reading(200, 1), 1, REBORN),
        (Counter(3, NOW - DAY / 2, NOW, grew=NOW - DAY / 2), reading(200, 1), 3, REBORN),
        (reading(3, 0), reading(200, 1), 3, "the counter was reset"),
    ],
    ids=["restarted", "recreated", "recreated by an event", "counts the event", "reset"],
)
def test_increase_of_a_counter_restarted_since_the_last_run_is_a_lower_bound(counter, last, least, why):
    assert increase_since(counter, last) == AtLeast(least, f"{why}; the earlier count is lost")
