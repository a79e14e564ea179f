"""WAL is consumed by slots and standbys, and archived."""

import pytest

pytestmark = [pytest.mark.monthly, pytest.mark.caused_by("test_database_accepts_connections")]
ARCHIVER = (
    "SELECT archived_count, last_archived_time, failed_count, last_failed_wal, last_failed_time,"
    " current_setting('archive_mode') AS mode, current_setting('archive_command') AS command FROM pg_stat_archiver"
)


@pytest.mark.weekly
@pytest.mark.remedy("psql", "-c", "SELECT slot_name, active, wal_status, restart_lsn FROM pg_replication_slots")
def test_replication_slots_are_active(replication_slots, database, allowed, evidence):
    """An inactive slot retains WAL until the disk is full: reconnect its consumer, or pg_drop_replication_slot."""
    idle = [each for each in replication_slots[database] if not each.active]
    evidence("inactive slots", map(str, idle))
    assert len(idle) in allowed.slots_inactive


@pytest.mark.remedy("psql", "-c", "SELECT application_name, state, replay_lag, reply_time FROM pg_stat_replication")
def test_standby_lag_is_within_limit(standbys, database, allowed, evidence):
    """Losing the primary loses all WAL not yet on a standby."""
    found = standbys[database]
    evidence("standbys", map(str, found.standbys))
    assert found.lag_s in allowed.replication_lag


@pytest.mark.remedy("psql", "-c", ARCHIVER)
def test_wal_archiving_succeeds(wal_archiver, database, host, allowed, evidence):
    """After a failure no later point in time can be restored, and WAL fills the disk."""
    archiver = wal_archiver[database]
    evidence("archiver", archiver.evidence)
    assert archiver.on or not host.databases[database].archived, "archive_mode is off"
    assert archiver.delay_s in allowed.archive_delay
