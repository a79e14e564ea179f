"""Orders the faults selected in a pytest session by batch."""

from tests.proving import IS_ROOT
from tests.proving.batches import plan


def arrange(items):
    """Sorts the tests of each proof by batch, and does not move the rest."""
    for module in {item.path for item in items if _fault(item)}:
        places = [number for number, item in enumerate(items) if item.path == module and _fault(item)]
        tests = {_fault(items[number]).name: items[number] for number in places}
        first = [fault.name for batch in planned(items, module) for fault in batch]
        for number, name in zip(places, [*first, *(tests.keys() - set(first))], strict=True):
            items[number] = tests[name]


def planned(items, module):
    """The batches of the module of a proof; without root, also without faults that require root."""
    faults = [_fault(item) for item in items if item.path == module and _fault(item)]
    return plan([fault for fault in faults if IS_ROOT or not fault.root])


def _fault(item):
    callspec = getattr(item, "callspec", None)
    return callspec.params.get("fault") if callspec else None
