"""Verifications of repositories in the journal."""

import time

import pytest

from opsproof.action.journal import JournalEntry, append
from opsproof.action.readings import last, noted
from opsproof.core.errors import Absent, MeasurementError


def read(path, *backups, flaws=(), age_s=0.0, **of):
    measured, of = {}, {"action": "verify_backup", "host": "vps", **of}
    for each in backups:
        noted(measured, each, list(flaws))
    append(path, JournalEntry(of["action"], of["host"], [], [], "done", "", time.time() - age_s, 1.0, measured))


@pytest.fixture
def journal(tmp_path):
    return tmp_path / "journal.jsonl"


def test_last_verification_counts_for_each_backup(journal):
    read(journal, "metachat", age_s=500, flaws=["old"])
    read(journal, "metachat", "other", age_s=100, action="backup")
    read(journal, "other", flaws=["one", "two"])
    found = last(journal, "vps", "metachat")
    assert (found.flaws, round(found.age_s)) == ("", 100)
    assert last(journal, "vps", "other").flaws == "one; two"


def test_verification_dated_in_the_future_never_counts(journal):
    read(journal, "metachat", age_s=500, flaws=["old"])
    read(journal, "metachat", age_s=-4000)
    assert last(journal, "vps", "metachat").flaws == "old"


def test_entries_without_verification_do_not_count(journal):
    read(journal, "metachat", age_s=500)
    read(journal)
    read(journal, "metachat", host="other")
    read(journal, "metachat", action="restore_drill")
    read(journal, "metachat-2")
    assert round(last(journal, "vps", "metachat").age_s) == 500


def test_missing_verification_or_journal_is_absent(journal):
    with pytest.raises(Absent, match="no verification of metachat in the journal"):
        last(journal, "vps", "metachat")


@pytest.mark.parametrize("line", ['{"action": "backup"', '{"action": "backup"}', '["verify_backup"]'])
def test_unreadable_journal_is_unknown(journal, line):
    journal.write_text(f"{line}\n")
    with pytest.raises(MeasurementError, match="cannot be read"):
        last(journal, "vps", "metachat")
