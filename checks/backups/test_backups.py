"""Backups are made every day, are whole, private, off the host, and no more than they should be."""

import pytest

pytestmark = pytest.mark.weekly


@pytest.mark.remedy("backup.py", "--backup", "{backup}", "--apply")
def test_backup_is_recent(backups, backup, allowed):
    """What was written since the newest backup is lost with the disk: look at cron's mail first."""
    assert backups[backup].age_s in allowed.backup_age


@pytest.mark.remedy("backup.py", "--backup", "{backup}", "--apply")
def test_backup_is_large_enough(backups, backup, allowed):
    """A dump of an empty or a wrong database is small, and looks like a success."""
    assert backups[backup].size_bytes in allowed.backup_size


def test_backup_size_is_steady(backups, backup, allowed):
    """Rows went missing, or something grew without bound: compare the manifests' tables."""
    assert backups[backup].size_change in allowed.backup_size_change


@pytest.mark.remedy("backup.py", "--backup", "{backup}", "--apply")
def test_backup_checksums_match(backups, backup, evidence):
    """Disks and people change files: only a checksum notices before a restore does."""
    flaws = backups[backup].flaws
    evidence(f"of {backups[backup].newest}", flaws)
    assert not flaws, flaws[0]


@pytest.mark.remedy("backup.py", "--backup", "{dumped_backup}", "--apply")
def test_backup_holds_every_table(backups, dumped_backup, evidence):
    """What the archive does not list, no restore brings back."""
    lacks = backups[dumped_backup].lacks
    evidence("tables that are not in it", lacks)
    assert not lacks, f"{backups[dumped_backup].newest} lacks {', '.join(lacks[:3])}"


def test_backup_is_private(backups, dumped_backup, evidence):
    """A backup holds every customer's messages: chmod 0600, and ask who changed it."""
    exposed = backups[dumped_backup].exposed
    evidence("files that others may read, or own", exposed)
    assert not exposed, exposed[0]


@pytest.mark.remedy("backup.py", "--backup", "{backup}", "--apply")
def test_no_partial_backup_remains(backups, backup, allowed, evidence):
    """A backup did not come to its end: the next one removes what it left."""
    evidence("files without a manifest", backups[backup].stale)
    assert len(backups[backup].stale) in allowed.partial_backups


@pytest.mark.remedy("backup.py", "--backup", "{dumped_backup}", "--apply")
def test_expired_backups_are_pruned(backups, dumped_backup, allowed, evidence):
    """They fill the disk, and hold what should have been forgotten."""
    evidence("need not be kept", backups[dumped_backup].overdue)
    assert len(backups[dumped_backup].overdue) in allowed.expired_backups


def test_backup_count_is_sufficient(backups, backup, allowed):
    """A fault that is noticed late needs a backup from before it."""
    assert backups[backup].kept in allowed.backup_count


@pytest.mark.remedy("du", "--one-file-system", "--max-depth=2", "--human-readable", "/")
def test_disk_has_room_for_next_backup(backups, local_backup, allowed):
    """The next backup is refused when there is less than it needs."""
    assert backups[local_backup].room in allowed.backup_room
