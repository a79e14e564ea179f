"""Numbers behind bars and sparklines."""

from math import inf

import pytest

from opsproof.core.limits import Measurement
from opsproof.round.report.drawing import HEIGHT, bar, sparkline


def measured(value, *bounds, unit="percent"):
    return Measurement("disk used", value, unit, "", "failed", "", "", bounds)


def test_bar_of_a_percentage_has_the_value_and_both_marks():
    drawn = bar(measured(83.1, ("must", "<", 80.0), ("should", "<", 70.0)))
    assert (drawn.filled, [each.place for each in drawn.marks]) == (83.1, [80.0, 70.0])
    assert drawn.words == "disk used 83.1 %; must < 80 %, should < 70 %"


def test_bar_far_beyond_the_limit_keeps_the_order():
    drawn = bar(measured(1e6, ("must", "<", 10.0), unit="count"))
    assert 0 <= drawn.marks[0].place < 1
    assert 90 < drawn.filled < 92


@pytest.mark.parametrize("value", ["stopped", inf], ids=["word", "infinite"])
def test_no_bar_without_a_finite_number(value):
    assert bar(measured(value, ("must", "<", 80.0))) is None


def test_bar_of_zero_and_negative_values():
    assert bar(measured(0.0, ("must", "<", 0.0), unit="count")).filled == 0
    assert bar(measured(-5.0, ("must", ">", 5.0), unit="count")).filled == 0


def test_line_is_interrupted_where_nothing_was_measured():
    drawn = sparkline([1.0, 2.0, None, 3.0, None, 4.0, 5.0], measured(5.0, ("must", "<", 10.0)))
    assert [len(each.split()) for each in drawn.lines] == [2, 2, 2]
    assert drawn.words == "disk used in the last 7 runs, 5 measured: 1 % to 5 %"


@pytest.mark.parametrize("values", [[], [1.0], [None, 1.0], [inf, 1.0]])
def test_no_line_with_fewer_than_two_values(values):
    assert sparkline(values, measured(1.0, ("must", "<", 10.0))) is None


def test_band_is_below_an_upper_and_above_a_lower_bound():
    upper = sparkline([0.0, 20.0], measured(20.0, ("must", "<", 10.0)))
    assert (upper.low, upper.low + upper.height) == (HEIGHT / 2, HEIGHT)
    lower = sparkline([0.0, 20.0], measured(20.0, ("must", ">", 10.0)))
    assert (lower.low, lower.height) == (0, HEIGHT / 2)
