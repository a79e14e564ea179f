"""Cumulative counters, and how much a counter grew over a time span."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from opsproof.core.limits import AtLeast, Estimate
from opsproof.core.units import show

PUNCTUALITY = 0.95
"""A sample as old as this share of the span counts as its start: with summer time, a daily round is 23 h old."""


@dataclass(frozen=True)
class Counter:
    """A counter's value at `now`, counting since `born`; all times in seconds since 1970.

    The counter has not grown since `quiet_since`. It grew at `grew`, counted or not. Each is None if unknown.
    `reborn` is the reason of a new `born`. A counter that `falls` counts present things, such as messages, and shrinks
    when they are removed. A `shared` counter has its `born` in common with others: a reset of any of them moves it.
    """

    value: float
    born: float
    now: float
    quiet_since: float | None = None
    grew: float | None = None
    reborn: str = "the statistics were reset"
    falls: bool = False
    shared: bool = False


def increase_since(counter: Counter, last: Counter | None) -> float | Estimate | AtLeast:
    """How much `counter` grew since `last`, the reading of the last run. Without `last` the growth is a range."""
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
    """The growth of the counters of one source, by name, since a moment in seconds since 1970."""

    amounts: dict[str, float]
    since: float


def growths(counters: Mapping[str, Counter], earlier: Mapping[str, Sequence[Counter]]) -> list[Growth]:
    """The growth of counters with a common `born` since the last of the `earlier` runs, else since `born`.

    Two answers are possible if `born` moved and no counter fell: another counter was reset, or these counters were
    reset and have grown past their earlier values.
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
    """The value on which all answers of `growths` agree, or their range."""
    low, high = min(found := list(values)), max(found)
    return low if low == high else Estimate(low, high, "the statistics were reset since the last run")


def increase(counter: Counter, samples: Sequence[Counter], span: float) -> float | Estimate | AtLeast:
    """How much `counter` grew in the last `span` seconds, given earlier `samples`.

    The growth is a range if the samples do not reach back far enough. It is a lower bound if the counter restarted
    in the span (daemon restart or reset): the growth between the last sample and the restart is lost.
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
        # The new count is certainly within the span if the reading before the restart is.
        edge = counter.now - (2 - PUNCTUALITY) * span
        surely = [pair for pair in anew if max(pair[0].now, pair[1].born) >= edge]
        least = grown + sum(_counted_anew(*pair, shared=counter.shared) for pair in surely)
        again = counter.reborn if anew[-1][1].born != anew[-1][0].born else "the counter was reset"
        return AtLeast(least, f"{again}; the earlier count is lost")
    if before:
        return grown
    return _range(counter, readings[0], span, known=bool(pairs))


def goes_on(before: Counter, later: Counter) -> bool:
    """Whether `later` can continue `before`: same `born`, and no smaller value."""
    return abs(before.born - later.born) < 1 and before.value <= later.value


def _counted_anew(before: Counter, later: Counter, *, shared: bool) -> float:
    """The least growth between two readings with different `born`."""
    return later.value - before.value if shared and later.value >= before.value else later.value


def _range(counter: Counter, oldest: Counter, span: float, *, known: bool) -> float | Estimate:
    if counter.value == 0 or counter.born >= counter.now - span:
        return counter.value
    why = f"the history covers {show(counter.now - oldest.now, 'seconds')} ({show(span, 'seconds')} needed)"
    return Estimate(counter.value - oldest.value, counter.value, why if known else "no earlier run is on record")
