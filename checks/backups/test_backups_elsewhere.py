"""Backups are off the host as well, and it was tried that they can be restored."""

import pytest

pytestmark = pytest.mark.weekly


@pytest.mark.remedy("backup.py", "--backup", "{offsite_backup}", "--apply")
def test_off_site_copy_is_complete(backups, offsite_backup, copies_lacking, evidence):
    """Fire, theft and ransomware take the host and its backups together."""
    lacking = copies_lacking(backups[offsite_backup].newest)
    evidence("copies that are not whole", lacking)
    assert not lacking, lacking[0]


@pytest.mark.remedy("restore_drill.py", "--backup", "{backup}", "--apply")
def test_restore_drill_is_recent(last_drill, backup, allowed):
    """A backup that was never restored is a hope."""
    assert last_drill().age_s in allowed.drill_age


@pytest.mark.remedy("restore_drill.py", "--backup", "{backup}", "--apply")
def test_last_restore_drill_succeeded(last_drill, backup):
    """What failed in the drill fails in the emergency."""
    drill = last_drill()
    assert drill.outcome == "done", f"the last drill of {backup} is {drill.outcome}: {drill.message}"
    assert drill.is_complete


def test_restore_time_is_within_limit(last_drill, backup, allowed):
    """The outage after a lost disk lasts at least as long."""
    assert last_drill().restore_s in allowed.restore_time
