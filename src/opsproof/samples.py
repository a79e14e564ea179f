"""Counters that only grow, and how much one grew over a time span, as far as that can be said."""

from collections.abc import Sequence
from dataclasses import dataclass

from opsproof.limits import Estimate
from opsproof.quantities import show

PUNCTUALITY = 0.96
"""A sample this share of the span old counts as its beginning: rounds do not start to the second."""


@dataclass(frozen=True)
class Counter:
    """A counter's value at `now`, counting since `born`; all times in seconds since 1970.

    `quiet_since` is a time since which it has surely not grown, or None.
    """

    value: float
    born: float
    now: float
    quiet_since: float | None = None


def increase(counter: Counter, samples: Sequence[Counter], span: float) -> float | Estimate:
    """How much `counter` grew in the last `span` seconds, given earlier `samples` of it.

    A sample from before the counter was born again (a daemon restarted) says nothing of it. Where
    the samples do not reach back far enough, the answer is the range in which the truth lies.
    """
    start = counter.now - span
    if counter.quiet_since is not None and counter.quiet_since <= start:
        return 0.0
    if counter.born >= start:
        return counter.value
    alive = [each for each in samples if _same_life(each, counter)]
    before = [each for each in alive if each.now <= counter.now - PUNCTUALITY * span]
    if before:
        return counter.value - max(before, key=lambda each: each.now).value
    return _range(counter, alive, span)


def _same_life(sample: Counter, counter: Counter) -> bool:
    return abs(sample.born - counter.born) < 1 and sample.value <= counter.value and sample.now <= counter.now


def _range(counter: Counter, alive: list[Counter], span: float) -> float | Estimate:
    if counter.value == 0:
        return 0.0
    oldest = min(alive, key=lambda each: each.now, default=counter)
    why = f"the history reaches back {show(counter.now - oldest.now, 'seconds')}, not {show(span, 'seconds')}"
    return Estimate(counter.value - oldest.value, counter.value, why if alive else "no earlier run is on record")
