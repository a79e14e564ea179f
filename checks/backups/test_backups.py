"""Backups are recent, intact, private, and kept according to retention."""

import pytest

pytestmark = pytest.mark.weekly
FILES = ("backups",)
BACK_UP = ("backup.py", "--backup", "{backup}", "--apply")
OF_LOCAL = ("backup.py", "--backup", "{local_backup}", "--apply")
LIST = pytest.mark.remedy(*FILES, unusable=BACK_UP)


@pytest.mark.remedy(*BACK_UP, absent=FILES)
def test_backup_is_recent(backups, backup, allowed):
    """A lost disk takes all changes since the newest backup: check cron's mail first."""
    assert backups[backup].age_s in allowed.backup_age


@LIST
def test_backup_is_large_enough(backups, backup, allowed):
    """A dump of an empty or wrong database is small, and looks like a success."""
    assert backups[backup].size_bytes in allowed.backup_size


@LIST
def test_backup_size_is_steady(backups, backup, allowed):
    """A sudden change means lost rows or unbounded growth: compare the row counts in the manifests."""
    assert backups[backup].size_change in allowed.backup_size_change


@pytest.mark.remedy(*BACK_UP, absent=FILES)
def test_backup_checksums_match(backups, backup, evidence):
    """Disks and people change files: only a checksum mismatch reveals damage before a restore fails."""
    flaws = backups[backup].flaws
    evidence(f"errors in {backups[backup].newest}", flaws)
    assert not flaws, flaws[0]


@pytest.mark.remedy("backup.py", "--backup", "{dumped_backup}", "--apply", absent=FILES)
def test_backup_holds_every_table(backups, dumped_backup, evidence):
    """A restore cannot bring back a table missing from the archive."""
    missing = backups[dumped_backup].lacks
    evidence("missing tables", missing)
    assert not missing, f"missing from {backups[dumped_backup].newest}: {', '.join(missing[:3])}"


@pytest.mark.remedy("private", effect="changes owners and modes", absent=FILES)
def test_backup_is_private(backups, kept_backup, evidence):
    """A backup holds every customer's messages: chmod 0600, and find out who changed the mode."""
    exposed = backups[kept_backup].exposed
    evidence("files accessible to other users", exposed)
    assert not exposed, exposed[0]


@pytest.mark.remedy(*BACK_UP, absent=FILES)
def test_no_partial_backup_remains(backups, backup, allowed, evidence):
    """A backup was interrupted: the next backup removes the partial files."""
    evidence("partial files", backups[backup].stale)
    assert len(backups[backup].stale) in allowed.partial_backups


@pytest.mark.remedy("backup.py", "--backup", "{kept_backup}", "--apply", absent=FILES)
def test_expired_backups_are_pruned(backups, kept_backup, allowed, evidence):
    """Expired backups fill the disk, and hold data that had to be deleted."""
    evidence("expired backups", backups[kept_backup].overdue)
    assert len(backups[kept_backup].overdue) in allowed.expired_backups


@pytest.mark.remedy(*BACK_UP, absent=FILES)
@pytest.mark.caused_by("test_backup_is_recent")
def test_backup_count_is_sufficient(backups, backup, allowed):
    """Damage noticed late needs a backup from before the damage."""
    assert backups[backup].kept in allowed.backup_count


@pytest.mark.remedy("room", "--human-readable", absent=FILES, unusable=OF_LOCAL)
def test_disk_has_room_for_next_backup(backups, local_backup, allowed):
    """backup.py refuses to start without enough free space: find out what fills the disk."""
    assert backups[local_backup].room in allowed.backup_room
