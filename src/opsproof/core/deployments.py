"""The growth of a counter outside deployments, from the samples of rounds.

A deployment lasts from a predeploy round to the next postdeploy round. PM2 counts the restart of a deployment like the
restart after a crash. Actions of opsproof stop and start processes, and PM2 does not count the start of a stopped one.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from opsproof.core.counters import PUNCTUALITY, Counter, goes_on
from opsproof.core.limits import AtLeast, Estimate
from opsproof.core.units import show

LONGEST_S = 4 * 3600.0
"""Growth between a predeploy round and a later postdeploy round is not expected: the deployment was given up."""
DAILY_S = 26 * 3600.0
"""Daily rounds report a shorter loss of the count themselves."""


class RoundSample(NamedTuple):
    """A counter in a round, such as ``daily``."""

    counter: Counter
    cadence: str


def unplanned_increase(now: RoundSample, samples: Sequence[RoundSample], span: float) -> float | Estimate | AtLeast:
    """How much the counter grew in the last `span` seconds outside deployments, as far as `samples` reach back.

    The growth is a range if the samples do not reach back far enough, and a lower bound if a restart of the counter
    lost more than a day.
    """
    counter = now.counter
    if counter.quiet_since is not None and counter.quiet_since <= counter.now - span:
        return 0.0
    known = sorted((each for each in samples if each.counter.now <= counter.now), key=lambda each: each.counter.now)
    if not known:
        return Estimate(0.0, counter.value, "no earlier run is on record") if counter.value else 0.0
    before = [each for each in known if each.counter.now <= counter.now - PUNCTUALITY * span]
    readings = [*before[-1:], *known[len(before) :], now]
    grown, oldest = _grown(readings), readings[0].counter
    if any(_is_lost(*pair) for pair in pairwise(readings)):
        return AtLeast(grown, f"{counter.reborn}; the earlier count is lost")
    if before or not oldest.value:
        return grown
    why = f"the history covers {show(counter.now - oldest.now, 'seconds')} ({show(span, 'seconds')} needed)"
    return Estimate(grown, grown + oldest.value, why)


def _grown(readings: Sequence[RoundSample]) -> float:
    return sum(
        later.counter.value - (earlier.counter.value if goes_on(earlier.counter, later.counter) else 0.0)
        for number, (earlier, later) in enumerate(pairwise(readings))
        if not _is_deployed(readings, number)
    )


def _is_deployed(readings: Sequence[RoundSample], number: int) -> bool:
    """Whether the reading `number` and the next are within a deployment."""
    begun = next(
        (each for each in reversed(readings[: number + 1]) if each.cadence in ("predeploy", "postdeploy")), None
    )
    ended = next((each for each in readings[number + 1 :] if each.cadence in ("predeploy", "postdeploy")), None)
    if begun is None or ended is None or (begun.cadence, ended.cadence) != ("predeploy", "postdeploy"):
        return False
    return ended.counter.now - begun.counter.now <= LONGEST_S


def _is_lost(earlier: RoundSample, later: RoundSample) -> bool:
    """Whether the counter restarted long after the earlier reading."""
    return not goes_on(earlier.counter, later.counter) and later.counter.now - earlier.counter.now > DAILY_S
