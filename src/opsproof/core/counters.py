"""Counters that only grow, and how much one grew over a time span, as far as that can be said."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from opsproof.core.limits import AtLeast, Estimate
from opsproof.core.units import show

PUNCTUALITY = 0.95
"""A sample this share of the span old counts as its beginning: a daily round is 23 h old where clocks went forward."""


@dataclass(frozen=True)
class Counter:
    """A counter's value at `now`, counting since `born`; all times in seconds since 1970.

    `quiet_since` is a time since which it has surely not grown, `grew` one at which it surely did,
    counted or not; None where neither is known. `reborn` says what it means that it counts anew.
    One that `falls` is none of what happened, but of what is there: it shrinks when that is cleared.
    One is `shared` that has its birth in common with others, so that it moves when one of those is reset.
    """

    value: float
    born: float
    now: float
    quiet_since: float | None = None
    grew: float | None = None
    reborn: str = "its source started again"
    falls: bool = False
    shared: bool = False


def increase_since(counter: Counter, last: Counter | None) -> float | Estimate | AtLeast:
    """How much `counter` grew since the reading `last`, of the last run; only a range where there is none."""
    if last is None:
        most = max(counter.value, 1.0 if counter.grew is not None else 0.0)
        return Estimate(0.0, most, "no earlier run is on record") if most else 0.0
    if counter.falls:
        return max(0.0, counter.value - last.value)
    grown = increase(counter, [last], counter.now - last.now)
    if counter.grew is None or counter.grew <= last.now or isinstance(grown, Estimate):
        return grown
    return replace(grown, value=max(grown.value, 1.0)) if isinstance(grown, AtLeast) else max(grown, 1.0)


class Growth(NamedTuple):
    """What counters of one source counted, by name, since a moment in seconds since 1970."""

    amounts: dict[str, float]
    since: float


def growths(counters: Mapping[str, Counter], earlier: Mapping[str, Sequence[Counter]]) -> list[Growth]:
    """What counters with a common birth counted since the last of the `earlier` runs, or else since they began.

    There are two answers where their birth moved and none has fallen: another one that shares it was reset, or they
    were themselves and have outgrown what they were.
    """
    born = next(iter(counters.values())).born
    anew = Growth({name: each.value for name, each in counters.items()}, born)
    lasts = {name: readings[-1] for name in counters if (readings := earlier.get(name))}
    if len(lasts) < len(counters):
        return [anew]
    since = next(iter(lasts.values())).now
    moved = any(abs(each.born - born) >= 1 for each in lasts.values())
    if any(counters[name].value < last.value for name, last in lasts.items()):
        return [anew if moved else anew._replace(since=since)]
    on = Growth({name: each.value - lasts[name].value for name, each in counters.items()}, since)
    return [on, anew] if moved else [on]


def within(values: Iterable[float]) -> float | Estimate:
    """The value that is the same by each of the answers of `growths`, or the range of them."""
    low, high = min(found := list(values)), max(found)
    return low if low == high else Estimate(low, high, "the statistics were reset since the last run")


def increase(counter: Counter, samples: Sequence[Counter], span: float) -> float | Estimate | AtLeast:
    """How much `counter` grew in the last `span` seconds, given earlier `samples` of it.

    Where the samples do not reach back far enough, the answer is the range in which the truth
    lies. Where the counter started again in the span, because its daemon was born again or it was
    reset, what it had counted since the last sample is lost: the answer is the least it can be.
    """
    start = counter.now - span
    if counter.quiet_since is not None and counter.quiet_since <= start:
        return 0.0
    known = sorted((each for each in samples if each.now <= counter.now), key=lambda each: each.now)
    before = [each for each in known if each.now <= counter.now - PUNCTUALITY * span]
    readings = [*before[-1:], *known[len(before) :], counter]
    pairs = list(itertools.pairwise(readings))
    grown = sum(later.value - earlier.value for earlier, later in pairs if goes_on(earlier, later))
    anew = [(earlier, later) for earlier, later in pairs if not goes_on(earlier, later)]
    if anew:
        # What it counts anew is surely of this span where the reading before it is.
        edge = counter.now - (2 - PUNCTUALITY) * span
        surely = [pair for pair in anew if max(pair[0].now, pair[1].born) >= edge]
        least = grown + sum(_counted_anew(*pair, shared=counter.shared) for pair in surely)
        again = counter.reborn if anew[-1][1].born != anew[-1][0].born else "the counter was reset"
        return AtLeast(least, f"{again}, and what it counted before is lost")
    if before:
        return grown
    return _range(counter, readings[0], span, known=bool(pairs))


def goes_on(before: Counter, later: Counter) -> bool:
    """Whether a reading may count on from one `before` it: born at the same time, and no smaller."""
    return abs(before.born - later.born) < 1 and before.value <= later.value


def _counted_anew(before: Counter, later: Counter, *, shared: bool) -> float:
    """The least that it can have counted between two readings with different births."""
    return later.value - before.value if shared and later.value >= before.value else later.value


def _range(counter: Counter, oldest: Counter, span: float, *, known: bool) -> float | Estimate:
    if counter.value == 0 or counter.born >= counter.now - span:
        return counter.value
    why = f"the history reaches back {show(counter.now - oldest.now, 'seconds')}, not {show(span, 'seconds')}"
    return Estimate(counter.value - oldest.value, counter.value, why if known else "no earlier run is on record")
