"""Batches of faults that are broken together, in an order drawn anew for each tree.

Two faults may be broken together if they share no check and no surroundings. Two batches may follow each other if they
share no check: then the round under the second proves that the first was healed. If no such batch is left, a healthy
round ends the series.
"""

from itertools import pairwise

from lab.fault import EVERYTHING, TIME
from tests.harness import extent
from tests.proving.names import names_of, overlap

AT_MOST = 1 if extent.FULL else 5
"""How many faults are broken together."""


def compatible(one, other):
    """Whether two faults may be broken together."""
    touched = one.touches | other.touches
    return EVERYTHING not in touched and not one.touches & other.touches and not overlap(names_of(one), names_of(other))


def batches(faults, at_most=AT_MOST):
    """Puts the faults, in drawn order, each into the first compatible batch."""
    found = []
    for fault in extent.shuffled("batches", faults):
        place = next((each for each in found if _takes(each, fault, at_most)), None)
        if place is None:
            found.append([fault])
        else:
            place.append(fault)
    return [sorted(each, key=lambda fault: TIME in fault.touches) for each in found]


def _takes(batch, fault, at_most):
    return len(batch) < at_most and all(compatible(each, fault) for each in batch)


def ordered(found):
    """Orders the batches so that few of them share a check with the previous batch."""
    names = [names_of_all(batch) for batch in found]
    clashes = [{b for b, other in enumerate(names) if overlap(one, other)} for one in names]
    left, order = set(range(len(found))), []
    while left:
        fits = left - clashes[order[-1]] if order else left
        # Place the batch with the most clashes first: it would be the hardest to place later.
        order.append(max(sorted(fits or left), key=lambda each: len(clashes[each] & left)))
        left.remove(order[-1])
    return [found[each] for each in order]


def names_of_all(batch):
    """All names of the faults of a batch."""
    return {name for fault in batch for name in names_of(fault)}


def begins_series(before, batch):
    """Whether a healthy round must stand between two batches."""
    return overlap(names_of_all(before), names_of_all(batch))


def plan(faults, at_most=AT_MOST):
    """The batches in their order, whatever the order of the faults."""
    return ordered(batches(sorted(faults, key=lambda fault: fault.name), at_most))


def series(order):
    """How many series an order of batches has."""
    return 1 + sum(begins_series(one, other) for one, other in pairwise(order)) if order else 0


def text(order):
    """The batches of a run, a line each."""
    lines = [f"{number:>4}  {', '.join(fault.name for fault in batch)}" for number, batch in enumerate(order, 1)]
    count = sum(map(len, order))
    head = f"{count} faults in {len(order)} batches and {series(order)} series, drawn for {extent.seed()}"
    return "\n".join([head, *lines])
