"""Growth of a counter outside deployments."""

import pytest

from opsproof.core.counters import Counter
from opsproof.core.deployments import RoundSample, unplanned_increase
from opsproof.core.limits import AtLeast, Estimate

DAY = 86_400.0
HOUR = DAY / 24
NOW = 100 * DAY
BORN = 10 * DAY
SPAN = 30 * DAY
DAILY = [(each, "daily") for each in range(35, 0, -1)]


def sample(value, days_ago, cadence="daily", born=BORN):
    return RoundSample(Counter(value, born, NOW - days_ago * DAY), cadence)


def grown(*samples, now=7, cadence="daily", **fields):
    return unplanned_increase(
        RoundSample(Counter(now, fields.pop("born", BORN), NOW, **fields), cadence), samples, SPAN
    )


@pytest.mark.parametrize("a_day", [0, 1, 4])
def test_restarts_of_every_day_add_up(a_day):
    samples = [sample(a_day * (40 - each), each) for each, _ in DAILY]
    assert grown(*samples, now=a_day * 40) == a_day * 29  # a sample of the 29th day counts as the start


@pytest.mark.parametrize(
    ("samples", "amount"),
    [
        ([sample(0, 31), sample(0, 2, "predeploy"), sample(2, 1.9, "postdeploy")], 5),
        ([sample(0, 31), sample(0, 2, "predeploy"), sample(1, 1.95), sample(2, 1.9, "postdeploy")], 5),
        ([sample(0, 31), sample(0, 2, "predeploy"), sample(2, 1.5, "postdeploy")], 7),
        ([sample(0, 31), sample(0, 2, "predeploy"), sample(2, 1.9, "predeploy"), sample(4, 1.8, "postdeploy")], 5),
        ([sample(0, 31), sample(0, 2, "postdeploy"), sample(2, 1.9, "postdeploy")], 7),
        ([sample(0, 31), sample(0, 2, "predeploy"), sample(2, 1.9)], 7),
        ([sample(0, 31), sample(0, 2, "selected"), sample(2, 1.9, "postdeploy")], 7),
        ([sample(0, 31), sample(3, 2, "predeploy"), sample(0, 1.9, "postdeploy", born=NOW - 1.95 * DAY)], 3 + 7),
    ],
    ids=[
        "deployment", "round during the deployment", "deployment given up", "second attempt", "no predeploy round",
        "no postdeploy round", "other checks", "daemon updated by the deployment",
    ],
)  # fmt: skip
def test_growth_in_a_deployment_is_planned(samples, amount):
    born = samples[-1].counter.born
    assert grown(*samples, born=born) == amount


def test_postdeploy_round_itself_ends_a_deployment():
    samples = [sample(0, 31), sample(3, 0.1, "predeploy")]
    assert grown(*samples, cadence="postdeploy") == 3
    assert grown(*samples) == 7


def test_short_history_gives_a_range():
    assert grown(sample(5, 3)) == Estimate(2, 7, "the history covers 3 d (30 d needed)")
    assert grown(sample(0, 3)) == 7


def test_first_run_gives_a_range():
    assert grown() == Estimate(0, 7, "no earlier run is on record")
    assert grown(now=0) == 0


def test_process_that_runs_for_a_month_was_not_restarted():
    assert grown(quiet_since=NOW - SPAN) == 0


def test_restarted_daemon_loses_no_more_than_the_daily_round_reported():
    samples = [sample(0, 31), sample(4, 1)]
    assert grown(*samples, now=2, born=NOW - DAY / 2) == 6


def test_count_lost_for_days_is_a_lower_bound():
    reborn = "the PM2 daemon was restarted"
    found = grown(sample(0, 31), sample(4, 9), now=2, born=NOW - DAY / 2, reborn=reborn)
    assert found == AtLeast(6, f"{reborn}; the earlier count is lost")


def test_sample_from_the_future_is_ignored():
    assert grown(sample(0, 31), sample(90, -1)) == 7


def test_reset_by_hand_counts_from_zero():
    assert grown(sample(0, 31), sample(6, 0.5), now=1) == 7
