"""Backups have a complete off-site copy, and restore drills succeed."""

import pytest

pytestmark = pytest.mark.weekly


@pytest.mark.remedy("backup.py", "--backup", "{offsite_backup}", "--apply", absent=("backups",))
def test_off_site_copy_is_complete(backups, offsite_backup, copies_lacking, evidence):
    """Fire, theft and ransomware take the host and its backups together."""
    lacking = copies_lacking(backups[offsite_backup].newest)
    evidence("incomplete copies", lacking)
    assert not lacking, lacking[0]


@pytest.mark.remedy("copies")
def test_copies_cannot_be_deleted(offsite_backup, copy_deleters, allowed, evidence):
    """Ransomware with the login of the copies deletes these too: let another user own them, or lock the bucket."""
    found = copy_deleters()
    evidence("can delete or overwrite copies", found)
    assert len(found) in allowed.copy_deleters


@pytest.mark.remedy("restore_drill.py", "--backup", "{backup}", "--apply")
def test_restore_drill_is_recent(last_drill, backup, allowed):
    """An untested backup may be useless: run a restore drill."""
    assert last_drill().age_s in allowed.drill_age


@pytest.mark.remedy("restore_drill.py", "--backup", "{backup}", "--apply")
def test_last_restore_drill_succeeded(last_drill, backup):
    """A restore that fails in a drill fails in an emergency."""
    drill = last_drill()
    assert drill.is_good, f"the last drill of {backup} is {drill.outcome}: {drill.message}"
    assert drill.is_complete


@pytest.mark.remedy("restore_drill.py", "--backup", "{database_backup}", "--apply")
def test_restored_definitions_match_backup(last_drill, database_backup):
    """A restore stops at a difference until `restore.py --accept-differences`: find the reason beforehand."""
    differences = last_drill().differences
    assert not differences, f"{database_backup} is restored with differences: {differences}"


@pytest.mark.remedy("restore_drill.py", "--backup", "{backup}", "--apply")
def test_restore_time_is_within_limit(last_drill, backup, allowed):
    """An outage after a disk failure lasts at least as long as the restore."""
    assert last_drill().restore_s in allowed.restore_time
