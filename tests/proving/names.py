"""What a fault's names of checks mean for the verdicts of a round."""

from tests.proof_matrix.matrix import check

EVERY_CHECK = "*"


def bad(verdicts):
    """The verdicts that are not passed, by test."""
    return {test: verdict for test, verdict in verdicts.items() if verdict != "passed"}


def named(test, names):
    """The name, among `names`, that a test is meant by: the closest one."""
    return next((name for name in (test, check(test), EVERY_CHECK) if name in names), None)


def surprising(verdicts, names, may_change=()):
    """What is not good, without that which only may be so."""
    return {
        test: verdict for test, verdict in bad(verdicts).items() if named(test, names) or not named(test, may_change)
    }


def expected(names, tests):
    """The verdict of each test that `names` say something of, by test, check or `EVERY_CHECK`."""
    unmatched = [name for name in names if name != EVERY_CHECK and name not in {*tests, *map(check, tests)}]
    assert not unmatched, f"the fault names checks that there are not: {unmatched}"
    return bad({test: names[name] for test in tests if (name := named(test, names))})


def names_of(fault):
    """Every name by which a fault says what changes, may change or is told after it."""
    return {*fault.expected, *fault.may_change, *fault.reported_once}


def overlap(one, other):
    """Whether two sets of names have a test in common; a name without a parameter means all of its check's tests."""
    if EVERY_CHECK in one or EVERY_CHECK in other:
        return bool(one and other)
    return not one.isdisjoint(other) or _covers(one, other) or _covers(other, one)


def _covers(names, others):
    return not names.isdisjoint(map(check, others))


def agree(found, wanted, when, sentences=None):
    """Fails, and says what is too much, with its sentences, and what is missing, unless all is as it is wanted."""
    over = without(found, wanted)
    why = {test: (sentences or {}).get(test) for test in over}
    assert found == wanted, f"{when}: {over} where {without(wanted, found)} is wanted; {why}"


def without(verdicts, others):
    """The verdicts that are not among others."""
    return {test: verdict for test, verdict in verdicts.items() if others.get(test) != verdict}
