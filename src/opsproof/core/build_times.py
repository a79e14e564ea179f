"""When something was built that no catalog dates: what earlier sightings say.

A sighting is a reading whose value names the build. Between the last sighting of another build and the first of this
one it was built.
"""

from itertools import takewhile
from math import inf

from opsproof.core.counters import Counter, goes_on
from opsproof.core.limits import Estimate


def bracket(now: Counter, sightings: list[Counter]) -> tuple[float, float]:
    """The earliest and the latest moment at which what is seen `now` can have been built.

    Times in seconds since 1970; the earliest is minus infinity where no run saw another build.
    """
    known = sorted((each for each in sightings if each.now < now.now), key=lambda each: each.now)
    same = list(takewhile(lambda each: each.value == now.value, reversed(known)))
    before = known[: len(known) - len(same)]
    return (before[-1].now if before else -inf), (same[-1].now if same else now.now)


def age_s(now: Counter, sightings: list[Counter]) -> Estimate:
    """Seconds since it was built: a range."""
    earliest, latest = bracket(now, sightings)
    why = "no run saw it built" if earliest == -inf else "it was built between two runs"
    return Estimate(now.now - latest, now.now - earliest, why)


def grown_since(counter: Counter, readings: list[Counter], earliest: float, latest: float) -> tuple[float, float]:
    """The least and the most that `counter` grew since a moment between the two given ones.

    One that seems to count anew and has more than before may have gone on: it shares its birth with others.
    """
    after, before = _at(readings, latest) or counter, _at(readings, earliest)
    least = counter.value - after.value if after.value <= counter.value else counter.value
    most = counter.value - before.value if before and goes_on(before, counter) else inf
    return least, most


def _at(readings: list[Counter], moment: float) -> Counter | None:
    return next((each for each in readings if each.now == moment), None)
