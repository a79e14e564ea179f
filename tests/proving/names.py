"""Matches the names of checks in faults with the verdicts of a round."""

from tests.proof_matrix.matrix import check

EVERY_CHECK = "*"


def bad(verdicts):
    """All verdicts except passed, by test."""
    return {test: verdict for test, verdict in verdicts.items() if verdict != "passed"}


def named(test, names):
    """The most specific name in `names` that matches a test, or None."""
    return next((name for name in (test, check(test), EVERY_CHECK) if name in names), None)


def surprising(verdicts, names, may_change=()):
    """All verdicts except passed, of tests that must change or must not change."""
    return {
        test: verdict for test, verdict in bad(verdicts).items() if named(test, names) or not named(test, may_change)
    }


def expected(names, tests):
    """The expected verdict of each test named by `names`: test, check or `EVERY_CHECK`."""
    unmatched = [name for name in names if name != EVERY_CHECK and name not in {*tests, *map(check, tests)}]
    assert not unmatched, f"the fault names unknown checks: {unmatched}"
    return bad({test: names[name] for test in tests if (name := named(test, names))})


def names_of(fault):
    """All names of a fault: checks that change, may change, or are reported once."""
    return {*fault.expected, *fault.may_change, *fault.reported_once}


def overlap(one, other):
    """Whether two sets of names have a test in common; a name without a parameter means all of its check's tests."""
    if EVERY_CHECK in one or EVERY_CHECK in other:
        return bool(one and other)
    return not one.isdisjoint(other) or _covers(one, other) or _covers(other, one)


def _covers(names, others):
    return not names.isdisjoint(map(check, others))


def agree(found, wanted, when, sentences=None):
    """Fails unless `found` equals `wanted`; shows unexpected verdicts with their sentences, and missing verdicts."""
    over = without(found, wanted)
    why = {test: (sentences or {}).get(test) for test in over}
    assert found == wanted, f"{when}: found {over}, expected {without(wanted, found)}; {why}"


def agree_on_causes(fault, verdicts, causes):
    """Fails unless the findings of a fault are shown as consequences of exactly the causes that it names."""
    findings = expected(fault.expected, verdicts)
    found = {causes[test] for test in findings}
    wanted = findings.keys() & expected(dict.fromkeys(fault.causes, "failed"), verdicts)
    assert found == wanted, f"{fault.name}: causes {sorted(found)}, named {sorted(wanted)}"


def without(verdicts, reference):
    """The verdicts that are missing or different in `reference`."""
    return {test: verdict for test, verdict in verdicts.items() if reference.get(test) != verdict}
