"""Nobody keeps a transaction or a lock that others need."""

import pytest

pytestmark = pytest.mark.monthly

END = pytest.mark.remedy("end_sessions.py", "--database", "{database}", "--apply")
SHOWN = 10
AGAIN = "look again: SELECT pid, state, xact_start, query FROM pg_stat_activity WHERE xact_start IS NOT NULL ORDER BY 3"


@END
def test_no_session_is_idle_in_transaction(open_transactions, database, allowed, evidence):
    """Its locks stay, and no row that died since it began can be cleaned up: the client forgot to commit."""
    idle = open_transactions[database].idle
    evidence("idle in transaction", [*map(str, idle[:SHOWN]), AGAIN])
    assert max((each.state_s for each in idle), default=0.0) in allowed.transaction_idle


@END
def test_transaction_time_is_within_limit(open_transactions, database, allowed, evidence):
    """A query that nobody waits for any more, or a report that belongs elsewhere; dumps and maintenance are exempt."""
    running = open_transactions[database].running
    evidence("running transactions", [*map(str, running[:SHOWN]), AGAIN])
    assert max((each.transaction_s for each in running), default=0.0) in allowed.transaction_time


@END
def test_lock_wait_is_within_limit(blocked_sessions, database, allowed, evidence):
    """End the first in the queue, not those behind it."""
    queue = blocked_sessions[database]
    evidence(
        "who waits for whom",
        [*queue.tree[:SHOWN], "look again: SELECT pid, pg_blocking_pids(pid) FROM pg_stat_activity"],
    )
    assert queue.longest_s in allowed.lock_wait_time


@pytest.mark.remedy("psql", "-c", "SELECT gid, prepared, owner FROM pg_prepared_xacts")
def test_no_prepared_transaction_remains(prepared_transactions, database, allowed, evidence):
    """Nobody will end it: COMMIT PREPARED or ROLLBACK PREPARED, once you know what it was."""
    found = prepared_transactions[database]
    evidence("prepared transactions", found[:SHOWN])
    assert len(found) in allowed.transactions_prepared
