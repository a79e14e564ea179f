"""WAL archiving: the archive has no gap, is current and verified, so that any moment can be restored."""

import pytest

pytestmark = pytest.mark.weekly
ARCHIVER = (
    "SELECT archived_count, last_archived_time, failed_count, last_failed_wal, last_failed_time,"
    " current_setting('archive_mode') AS mode, current_setting('archive_command') AS command FROM pg_stat_archiver"
)


@pytest.mark.remedy("backup.py", "--backup", "{archived_backup}", "--apply", absent=("backups",))
def test_wal_archive_has_no_gap(backups, archived_backup, allowed, evidence):
    """Restores stop at a missing WAL segment: back up at once, and find out who removed the segment."""
    stanza = backups[archived_backup].stanza
    evidence("missing WAL segments", stanza.missing())
    assert stanza.missing_count in allowed.archive_gaps


@pytest.mark.remedy("backup.py", "--backup", "{archived_backup}", "--apply", absent=("backups",))
def test_recovery_window_reaches_back(backups, archived_backup, allowed):
    """Accidental deletions are often noticed days later."""
    assert backups[archived_backup].stanza.window_s in allowed.recovery_window


@pytest.mark.remedy("psql", "-c", ARCHIVER, absent=("backups",))
def test_wal_archive_is_recent(backups, archived_backup, allowed):
    """No recent WAL segment is in the archive: archive_command may report success without archiving."""
    assert backups[archived_backup].stanza.log_age_s in allowed.archive_age


@pytest.mark.remedy("psql", "-c", ARCHIVER)
def test_finished_segments_are_archived(archiving, archived_database, allowed):
    """Unarchived segments fill the disk, and are lost with it: the server log shows the errors of archive_command."""
    assert archiving[archived_database].delay_s in allowed.archive_delay


@pytest.mark.remedy("psql", "--command=SHOW archive_timeout")
def test_archive_timeout_is_set(archiving, archived_database, allowed):
    """Without archive_timeout a quiet day's last rows stay unarchived until 16 MB of WAL are written."""
    assert archiving[archived_database].timeout_s in allowed.archive_timeout


@pytest.mark.remedy("verify_backup.py", "--backup", "{archived_backup}", "--apply")
def test_repository_verification_is_recent(last_reading, archived_backup, allowed):
    """Disks and people change files: only reading every file notices before a restore does."""
    reading = last_reading()
    assert not reading.flaws, f"the last verification of {archived_backup} failed: {reading.flaws}"
    assert reading.age_s in allowed.verification_age
