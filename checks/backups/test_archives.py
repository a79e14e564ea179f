"""The write-ahead log is archived, without a gap, and read back, so that any moment can be restored."""

import pytest

pytestmark = pytest.mark.weekly


def test_archive_has_no_gap(backups, archived_backup, allowed, evidence):
    """No restore gets past a segment that lacks: back up at once, and find out who removed it."""
    stanza = backups[archived_backup].stanza
    evidence("segments that are not there", stanza.missing())
    assert stanza.missing_count in allowed.archive_gaps


@pytest.mark.remedy("backup.py", "--backup", "{archived_backup}", "--apply")
def test_any_moment_can_be_restored(backups, archived_backup, allowed):
    """What was deleted by mistake is often missed days later."""
    assert backups[archived_backup].stanza.window_s in allowed.recovery_window


def test_archive_gets_what_is_written(backups, archived_backup, allowed):
    """A command that archives nothing and says that it did is seen here alone: look at archive_command."""
    assert backups[archived_backup].stanza.log_age_s in allowed.archive_age


@pytest.mark.remedy("psql", "--command=SELECT * FROM pg_stat_archiver")
def test_finished_log_is_archived(archiving, archived_database, allowed):
    """What waits is lost with the disk, and fills it meanwhile: the server's log says what archive_command says."""
    assert archiving[archived_database].delay_s in allowed.archive_delay


@pytest.mark.remedy("psql", "--command=SHOW archive_timeout")
def test_quiet_log_is_archived_too(archiving, archived_database, allowed):
    """Without archive_timeout the last rows of a quiet day wait until 16 MB more are written."""
    assert archiving[archived_database].timeout_s in allowed.archive_timeout


@pytest.mark.remedy("verify_backup.py", "--backup", "{archived_backup}", "--apply")
def test_backups_were_read_back(last_reading, archived_backup, allowed):
    """Disks and people change files: only reading all of them notices before a restore does."""
    reading = last_reading()
    assert not reading.flaws, f"the last reading of {archived_backup} found: {reading.flaws}"
    assert reading.age_s in allowed.reading_age
