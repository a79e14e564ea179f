"""Build times of objects whose catalogs hold no date, such as indexes, estimated from the history.

A sighting is a reading whose value identifies the build. An object was built between the last sighting of an older
build and the first sighting of its current build.
"""

from itertools import takewhile
from math import inf

from opsproof.core.counters import Counter, goes_on
from opsproof.core.limits import Estimate


def bracket(now: Counter, sightings: list[Counter]) -> tuple[float, float]:
    """The earliest and the latest possible build time of the build seen `now`, in seconds since 1970.

    The earliest is minus infinity if no run saw an older build.
    """
    known = sorted((each for each in sightings if each.now < now.now), key=lambda each: each.now)
    same = list(takewhile(lambda each: each.value == now.value, reversed(known)))
    before = known[: len(known) - len(same)]
    return (before[-1].now if before else -inf), (same[-1].now if same else now.now)


def age_s(now: Counter, sightings: list[Counter]) -> Estimate:
    """Seconds since the build, as a range."""
    earliest, latest = bracket(now, sightings)
    why = "built before the first recorded run" if earliest == -inf else "built between two runs"
    return Estimate(now.now - latest, now.now - earliest, why)


def grown_since(counter: Counter, readings: list[Counter], earliest: float, latest: float) -> tuple[float, float]:
    """The least and the most that `counter` grew since a moment between `earliest` and `latest`.

    A counter with a new start and a larger value may still have counted on, because it shares its start with others.
    """
    after, before = _at(readings, latest) or counter, _at(readings, earliest)
    least = counter.value - after.value if after.value <= counter.value else counter.value
    most = counter.value - before.value if before and goes_on(before, counter) else inf
    return least, most


def _at(readings: list[Counter], moment: float) -> Counter | None:
    return next((each for each in readings if each.now == moment), None)
