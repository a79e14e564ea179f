"""A date in the future never counts as recent."""

import math

import pytest

from opsproof.core.ages import age
from opsproof.core.errors import OutputError

NOW = 1795572900.0


@pytest.mark.parametrize(("moment", "age_s"), [(NOW - 500, 500), (NOW, 0), (NOW + 60, 0), (-math.inf, math.inf)])
def test_past_moment_and_small_clock_skew_have_an_age(moment, age_s):
    assert age(moment, NOW, "it") == age_s


@pytest.mark.parametrize("moment", [NOW + 4000, 1e12, math.inf, math.nan])
def test_moment_in_the_future_has_no_age(moment):
    with pytest.raises(OutputError, match=r"^it is dated in the future \(clock skew\?\)$"):
        age(moment, NOW, "it")
