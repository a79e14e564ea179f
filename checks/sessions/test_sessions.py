"""No session holds a transaction or a lock for too long."""

import pytest

pytestmark = [pytest.mark.monthly, pytest.mark.caused_by("test_database_accepts_connections")]

END = pytest.mark.remedy("end_sessions.py", "--database", "{database}", "--apply", effect="ends sessions")
SHOWN = 10
QUERY = "query: SELECT pid, state, xact_start, query FROM pg_stat_activity WHERE xact_start IS NOT NULL ORDER BY 3"


@END
def test_no_session_is_idle_in_transaction(open_transactions, database, allowed, evidence):
    """The session keeps its locks, and keeps VACUUM from removing dead rows: the client forgot to commit."""
    idle = open_transactions[database].idle
    evidence("idle in transaction", [*map(str, idle[:SHOWN]), QUERY])
    assert max((each.state_s for each in idle), default=0.0) in allowed.transaction_idle


@END
def test_transaction_time_is_within_limit(open_transactions, database, allowed, evidence):
    """A long transaction keeps dead rows from being removed: end it, or run reports on a standby; dumps are exempt."""
    running = open_transactions[database].running
    evidence("running transactions", [*map(str, running[:SHOWN]), QUERY])
    assert max((each.transaction_s for each in running), default=0.0) in allowed.transaction_time


@END
def test_lock_wait_is_within_limit(blocked_sessions, database, allowed, evidence):
    """End the blocking session, the first below, not the waiting sessions."""
    queue = blocked_sessions[database]
    evidence(
        "lock queue",
        [*queue.tree[:SHOWN], "query: SELECT pid, pg_blocking_pids(pid) FROM pg_stat_activity"],
    )
    assert queue.longest_s in allowed.lock_wait_time


@pytest.mark.remedy("psql", "-c", "SELECT gid, prepared, owner FROM pg_prepared_xacts")
def test_no_prepared_transaction_remains(prepared_transactions, database, allowed, evidence):
    """An orphaned prepared transaction never ends: find its purpose, then COMMIT PREPARED or ROLLBACK PREPARED."""
    found = prepared_transactions[database]
    evidence("prepared transactions", found[:SHOWN])
    assert len(found) in allowed.transactions_prepared
