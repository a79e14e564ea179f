"""Restore drills in the journal."""

import json
import time
from dataclasses import asdict

import pytest

from opsproof.action.drills import ACTION, last
from opsproof.action.journal import JournalEntry, append
from opsproof.core.errors import Absent, MeasurementError


def drill(age_s, outcome="done", action=ACTION, host="vps", **measured):
    began, measured = time.time() - age_s, {"backup": "metachat", **measured}
    return JournalEntry(action, host, [], [], outcome, f"it is {outcome}", began, 1.0, measured)


def drilled(path, outcome="done", age_s=0.0, **of):
    append(path, drill(age_s, outcome, **of))


@pytest.fixture
def journal(tmp_path):
    return tmp_path / "journal.jsonl"


def test_last_drill_counts_with_any_outcome(journal):
    drilled(journal, restore_s=20.0, age_s=500)
    drilled(journal, "not repaired", age_s=100)
    found = last(journal, "vps", "metachat")
    assert (found.outcome, round(found.age_s)) == ("not repaired", 100)
    with pytest.raises(MeasurementError, match="no restore time: its outcome is not repaired"):
        _ = found.restore_s


def test_entries_of_another_action_host_or_backup_do_not_count(journal):
    drilled(journal, restore_s=20.0, age_s=500)
    drilled(journal, action="backup")
    drilled(journal, host="other")
    drilled(journal, backup="other")
    drilled(journal, "refused")
    assert last(journal, "vps", "metachat").restore_s == 20


@pytest.mark.parametrize("age_s", [-4000.0, -1e9, -float("inf"), float("nan")])
def test_drill_dated_in_the_future_never_counts(journal, age_s):
    lines = [json.dumps({"time": "", **asdict(drill(age_s))})]
    journal.write_text("".join(f"{line}\n" for line in lines))
    with pytest.raises(Absent, match="dates in the future do not count"):
        last(journal, "vps", "metachat")
    drilled(journal, restore_s=20.0, age_s=500)
    assert round(last(journal, "vps", "metachat").age_s) == 500


def test_drill_of_a_clock_slightly_ahead_is_recent(journal):
    drilled(journal, age_s=-60)
    assert last(journal, "vps", "metachat").age_s == 0


def test_skipped_checks_are_unknown(journal):
    drilled(journal, restore_s=20.0)
    assert last(journal, "vps", "metachat").is_complete
    drilled(journal, restore_s=20.0, not_checked="heap and B-trees not checked")
    with pytest.raises(MeasurementError, match="skipped checks: heap and B-trees"):
        _ = last(journal, "vps", "metachat").is_complete


@pytest.mark.parametrize(
    ("outcome", "measured", "good"),
    [
        ("done", {}, True),
        ("not repaired", {"differences": "policy own is missing"}, True),
        ("not repaired", {"differences": "policy own is missing", "flaws": "t has 0 rows (expected 1)"}, False),
        ("failed", {"differences": "policy own is missing"}, False),
    ],
)
def test_drill_is_good_with_nothing_worse_than_differences(journal, outcome, measured, good):
    drilled(journal, outcome, **measured)
    found = last(journal, "vps", "metachat")
    assert (found.is_good, found.differences) == (good, measured.get("differences", ""))


def test_differences_of_a_drill_without_comparison_are_unknown(journal):
    drilled(journal, "not repaired", flaws="checksum mismatch")
    with pytest.raises(MeasurementError, match="the last drill compared no definitions: its outcome is not repaired"):
        _ = last(journal, "vps", "metachat").differences


@pytest.mark.parametrize("kept", [40, -1, 0], ids=["cut", "without newline", "NUL bytes"])
def test_torn_line_is_unknown_until_the_next_drill(journal, kept):
    """A power failure may tear the last line; later lines follow on lines of their own."""
    drilled(journal, restore_s=20.0, age_s=500)
    line = drill(400, "not repaired").line()
    with journal.open("a") as file:
        file.write(line[:kept] or "\0" * len(line))
    drilled(journal, age_s=300, backup="other")
    if kept == -1:
        assert last(journal, "vps", "metachat").outcome == "not repaired"
    else:
        with pytest.raises(MeasurementError, match=r"the journal .* cannot be read: line 2 is torn"):
            last(journal, "vps", "metachat")
    assert round(last(journal, "vps", "other").age_s) == 300
    drilled(journal, restore_s=20.0, age_s=100)
    assert round(last(journal, "vps", "metachat").age_s) == 100


def test_missing_drill_or_journal_is_absent(journal):
    with pytest.raises(Absent, match="no restore drill of metachat in the journal"):
        last(journal, "vps", "metachat")


@pytest.mark.parametrize("line", ['{"action": "restore_drill"', '{"action": "restore_drill"}', '["restore_drill"]'])
def test_unreadable_journal_is_unknown(journal, line):
    journal.write_text(f"{line}\n")
    with pytest.raises(MeasurementError, match="cannot be read"):
        last(journal, "vps", "metachat")
