import random

import pytest

from opsproof.core.intervals import clustered, wilson


@pytest.mark.parametrize(
    ("share", "trials", "interval"),
    [(0.5, 100, (0.4038, 0.5962)), (1.0, 73, (0.95, 1.0)), (0.0, 10, (0.0, 0.2775)), (0.9, 1000, (0.8799, 0.9171))],
)
def test_wilson_interval_of_the_textbook(share, trials, interval):
    assert wilson(share, trials) == pytest.approx(interval, abs=5e-4)


def test_clusters_without_spread_count_once_each():
    assert clustered([1.0] * 100, 10) == wilson(1.0, 100)


def test_all_or_nothing_clusters_count_once_each():
    shares = [1.0] * 95 + [0.0] * 5
    assert clustered(shares, 10) == pytest.approx(wilson(0.95, 100), abs=1e-3)


def test_independent_trials_count_separately():
    generator = random.Random(1)
    shares = [sum(generator.random() < 0.9 for _ in range(10)) / 10 for _ in range(400)]
    mean = sum(shares) / 400
    assert clustered(shares, 10) == pytest.approx(wilson(mean, 4000), abs=2e-3)


def test_larger_spread_widens_the_interval():
    even, uneven = [0.9] * 99 + [0.8], [1.0] * 90 + [0.0] * 10
    assert clustered(even, 10)[0] > clustered(uneven, 10)[0] + 0.02


@pytest.mark.parametrize("likeness", ["alone", "together"])
def test_lower_end_is_below_the_true_share_nearly_always(likeness):
    generator = random.Random(2)

    def share():
        if likeness == "together":
            return float(generator.random() < 0.95)
        return sum(generator.random() < 0.95 for _ in range(10)) / 10

    under = sum(clustered([share() for _ in range(100)], 10)[0] <= 0.95 for _ in range(400))
    assert under >= 0.95 * 400
