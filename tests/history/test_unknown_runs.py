"""Since when a check has been unknown, by the history."""

from pathlib import Path

import pytest

from opsproof.core.verdicts import Verdict
from opsproof.history.store import History, UnknownRuns

TEST = "test_disk_has_free_space[vps-/]"
INVENTORY = "lab.toml"
LATER = 10**6


@pytest.fixture
def history(tmp_path):
    return History(tmp_path / "history.sqlite")


def verdict(word="passed", test=TEST, **fields):
    return Verdict(test, "vps", "/", word, "a sentence", **fields)


def turned(since=100.0, word="failed"):
    """A check that failed because it stayed unknown."""
    return verdict(word, unknown_since=since)


def unknown_runs(history, now=LATER, inventory=INVENTORY):
    return history.unknown_runs("vps", TEST, Path(inventory), now)


def first(found):
    return found.first if found else None


@pytest.mark.parametrize(
    ("verdicts", "since"),
    [
        ([], None),
        ([verdict("passed")], None),
        ([verdict("unknown")], 100),
        ([verdict("unknown"), verdict("unknown")], 100),
        ([verdict("passed"), verdict("unknown"), verdict("unknown")], 101),
        ([verdict("unknown"), verdict("passed")], None),
        ([verdict("unknown"), verdict("failed"), verdict("unknown")], 102),
        ([verdict("unknown"), verdict("waived"), verdict("unknown")], 102),
        ([verdict("unknown"), turned(), verdict("unknown")], 100),
        ([verdict("unknown"), turned(), turned(word="waived"), turned(word="warned")], 100),
        ([verdict("unknown"), turned(), verdict("failed")], None),
    ],
)
def test_unknown_counts_from_the_first_since_another_verdict(history, verdicts, since):
    for number, each in enumerate(verdicts):
        history.add(100 + number, INVENTORY, "daily", [each, verdict("passed", "test_other[vps]")])
    assert first(unknown_runs(history)) == since
    assert history.complaints == []


def test_unknown_counts_across_rounds_and_only_rounds_are_rounds(history):
    for started, cadence in ((1, "selected"), (2, "monthly"), (3, "predeploy"), (4, "selected")):
        history.add(started, INVENTORY, cadence, [verdict("unknown")])
    assert unknown_runs(history) == UnknownRuns(1, 2, 3)


def test_unknown_only_in_selected_checks_was_in_no_round(history):
    history.add(1, INVENTORY, "selected", [verdict("unknown")])
    assert unknown_runs(history) == UnknownRuns(1, None, None)


def test_other_inventory_neither_starts_nor_ends_the_count(history, tmp_path):
    other = str(tmp_path / "other.toml")
    history.add(1, other, "daily", [verdict("unknown")])
    assert unknown_runs(history) is None
    history.add(2, INVENTORY, "daily", [verdict("unknown")])
    history.add(3, other, "daily", [verdict("passed")])
    assert first(unknown_runs(history)) == 2
    assert unknown_runs(history, inventory=other) is None


def test_unknown_counts_for_every_spelling_of_the_inventory(history):
    history.add(1, INVENTORY, "daily", [verdict("unknown")])
    history.add(2, str(Path.cwd() / INVENTORY), "predeploy", [verdict("unknown")])
    assert first(unknown_runs(history)) == first(unknown_runs(history, inventory=Path.cwd() / INVENTORY)) == 1


def test_other_host_neither_starts_nor_ends_the_count(history):
    history.add(1, INVENTORY, "daily", [Verdict(TEST, "other", "/", "unknown")])
    history.add(2, INVENTORY, "daily", [verdict("unknown"), Verdict(TEST, "other", "/", "passed")])
    assert first(unknown_runs(history)) == 2


@pytest.mark.parametrize(
    ("runs", "since"),
    [
        ([(100, "unknown"), (50, "unknown")], 50),
        ([(9000, "unknown"), (100, "unknown")], 100),
        ([(9000, "unknown")], None),
        ([(100, "passed"), (1, "unknown"), (200, "unknown")], 200),
        ([(9000, "passed"), (200, "unknown")], 200),
        ([(100, "passed"), (9000, "passed"), (50, "unknown"), (200, "unknown")], 200),
    ],
    ids=["set back", "ahead, corrected", "ahead", "reset", "other verdict ahead", "reset after one ahead"],
)
def test_start_of_a_wrong_clock_does_not_count(history, runs, since):
    for started, word in runs:
        history.add(started, INVENTORY, "daily", [verdict(word)])
    assert first(unknown_runs(history, now=1000)) == since


def test_missing_history_has_no_unknown_run(history):
    assert unknown_runs(history) is None
    assert not history.path.exists()
