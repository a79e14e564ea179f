"""The write-ahead log is taken away by those that it is kept for."""

import pytest

pytestmark = pytest.mark.monthly


@pytest.mark.remedy("psql", "-c", "SELECT slot_name, active, wal_status, restart_lsn FROM pg_replication_slots")
def test_replication_slots_are_active(replication_slots, database, allowed, evidence):
    """The log is kept for a slot until the disk is full: bring its reader back, or pg_drop_replication_slot."""
    idle = [each for each in replication_slots[database] if not each.active]
    evidence("slots that nobody uses", map(str, idle))
    assert len(idle) in allowed.slots_inactive


@pytest.mark.remedy("psql", "-c", "SELECT application_name, state, replay_lag, reply_time FROM pg_stat_replication")
def test_standby_lag_is_within_limit(standbys, database, allowed, evidence):
    """What a standby does not have yet is lost with the primary."""
    found = standbys[database]
    evidence("standbys", map(str, found.standbys))
    assert found.lag_s in allowed.replication_lag


@pytest.mark.remedy("psql", "-c", "SELECT * FROM pg_stat_archiver")
def test_wal_archiving_succeeds(wal_archiver, database, host, allowed, evidence):
    """Where archiving fails, no point in time after it can be restored, and the log fills the disk."""
    archiver = wal_archiver[database]
    evidence("archiver", archiver.evidence)
    assert archiver.on or not host.databases[database].archived, "archive_mode is off"
    assert archiver.delay_s in allowed.archive_delay
