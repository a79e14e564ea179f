"""Changes since the last run, and flapping."""

import pytest

from opsproof.core.verdicts import Verdict
from opsproof.round.report.changes import changes, is_flapping, kind


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        ("passed", "failed", "new"),
        ("waived", "failed", "new"),
        (None, "warned", "new"),
        (None, "passed", ""),
        ("warned", "failed", "worse"),
        ("unknown", "failed", "worse"),
        ("failed", "warned", "better"),
        ("unknown", "warned", "better"),
        ("failed", "passed", "fixed"),
        ("unknown", "passed", "fixed"),
        ("failed", "waived", "waived"),
        ("failed", "failed", ""),
    ],
)
def test_kind_of_a_change(before, now, expected):
    assert kind(before, now) == expected


@pytest.mark.parametrize("before", [None, "failed", "warned", "waived", "passed"])
def test_unmeasured_is_never_better(before):
    assert kind(before, "unknown") == "unmeasured"


def test_missing_checks_are_listed_only_after_a_complete_run():
    before = {"test_gone": "failed", "test_kept": "passed"}
    kept = [Verdict("test_kept", "vps", "")]
    assert changes(kept, before, is_complete=True) == {"no longer checked": [("test_gone", "failed", "")]}
    assert changes(kept, before, is_complete=False) == {}


def test_first_run_has_no_changes():
    assert changes([Verdict("test", "vps", "", "failed")], {}, is_complete=True) == {}


def run_of(*places):
    """21 verdicts that change at the places."""
    words, word = [], "passed"
    for place in range(21):
        word = {"passed": "failed", "failed": "passed"}[word] if place in places else word
        words.append(word)
    return words


@pytest.mark.parametrize(
    ("verdicts", "flaps"),
    [
        (run_of(), False),
        (run_of(20), False),
        (run_of(17, 18, 19, 20), True),
        (run_of(1, 2, 3, 4), False),
        (run_of(1, 2, 3, 4, 5), True),
        (["passed", "failed"] * 10, False),
        (["passed", "failed"] * 30, True),
    ],
    ids=["steady", "one change", "four new ones", "four old ones", "five old ones", "20 runs", "60 runs"],
)
def test_flapping_by_weighted_changes(verdicts, flaps):
    assert is_flapping(verdicts) is flaps
