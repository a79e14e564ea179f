"""The write-ahead log is archived, without a gap, and read back, so that any moment can be restored."""

import pytest

pytestmark = pytest.mark.weekly


def test_wal_archive_has_no_gap(backups, archived_backup, allowed, evidence):
    """No restore gets past a segment that lacks: back up at once, and find out who removed it."""
    stanza = backups[archived_backup].stanza
    evidence("segments that are not there", stanza.missing())
    assert stanza.missing_count in allowed.archive_gaps


@pytest.mark.remedy("backup.py", "--backup", "{archived_backup}", "--apply")
def test_recovery_window_reaches_back(backups, archived_backup, allowed):
    """What was deleted by mistake is often missed days later."""
    assert backups[archived_backup].stanza.window_s in allowed.recovery_window


def test_wal_archive_is_recent(backups, archived_backup, allowed):
    """A command that archives nothing and says that it did is seen here alone: look at archive_command."""
    assert backups[archived_backup].stanza.log_age_s in allowed.archive_age


@pytest.mark.remedy("psql", "--command=SELECT * FROM pg_stat_archiver")
def test_finished_segments_are_archived(archiving, archived_database, allowed):
    """What waits is lost with the disk, and fills it meanwhile: the server's log says what archive_command says."""
    assert archiving[archived_database].delay_s in allowed.archive_delay


@pytest.mark.remedy("psql", "--command=SHOW archive_timeout")
def test_archive_timeout_is_set(archiving, archived_database, allowed):
    """Without archive_timeout the last rows of a quiet day wait until 16 MB more are written."""
    assert archiving[archived_database].timeout_s in allowed.archive_timeout


@pytest.mark.remedy("verify_backup.py", "--backup", "{archived_backup}", "--apply")
def test_repository_verification_is_recent(last_reading, archived_backup, allowed):
    """Disks and people change files: only reading all of them notices before a restore does."""
    reading = last_reading()
    assert not reading.flaws, f"the last reading of {archived_backup} found: {reading.flaws}"
    assert reading.age_s in allowed.verification_age
