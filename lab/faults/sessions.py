"""Faults of sessions: long transactions and blocking locks."""

from collections.abc import Iterator

from lab import Lab
from lab.fault import TIME, shows
from lab.faults.fault import fault

CHECKS = (
    "test_no_session_is_idle_in_transaction",
    "test_transaction_time_is_within_limit",
    "test_lock_wait_is_within_limit",
    "test_no_prepared_transaction_remains",
)
SNAPSHOT = ("test_vacuum_horizon_is_recent",)
LONG_S = 6
"""Longer than the limits of inventory/lab.toml; an idle transaction under a minute also counts as active."""
TOUCH = b"UPDATE webhooks SET enabled = enabled WHERE id = 'whk0001'"


@fault(
    failed=("test_no_session_is_idle_in_transaction", "test_transaction_time_is_within_limit"),
    touches=("webhooks", "snapshots", TIME),
)
def transaction_left_open(lab: Lab) -> Iterator[None]:
    """A client left a transaction open."""
    with lab.connect() as session:
        session.execute("BEGIN")
        session.execute("SELECT count(*) FROM webhooks")
        lab.settling.needs(LONG_S)
        yield


@fault(failed=("test_transaction_time_is_within_limit",), may_change=SNAPSHOT, touches=("webhooks", "snapshots", TIME))
def runaway_query(lab: Lab) -> Iterator[None]:
    """A query runs on although its client has given up."""
    with lab.connect() as session:
        session.pgconn.send_query(b"SELECT pg_sleep(600)")
        lab.settling.needs(LONG_S)
        yield
        session.cancel()
        session.close()


@fault(
    failed=(
        "test_no_session_is_idle_in_transaction",
        "test_transaction_time_is_within_limit",
        "test_lock_wait_is_within_limit",
    ),
    may_change=SNAPSHOT,
    touches=("webhooks", "snapshots", TIME),
)
def sessions_blocked_in_a_chain(lab: Lab) -> Iterator[None]:
    """An idle session holds a row lock; a second session waits for the lock, and a third for the second."""
    with lab.connect() as first, lab.connect() as second, lab.connect() as third:
        first.execute("BEGIN")
        first.execute(TOUCH)
        for waiting in (second, third):
            waiting.pgconn.send_query(TOUCH)
        lab.settling.needs(LONG_S)
        yield
        first.execute("ROLLBACK")
        for waiting in (second, third):
            waiting.close()


@fault(failed=("test_no_prepared_transaction_remains",), touches=("webhooks", "snapshots", TIME))
@shows("forgotten")
def transaction_prepared(lab: Lab) -> Iterator[None]:
    """A transaction manager died between the two phases."""
    with lab.connect() as session:
        session.execute("BEGIN")
        session.execute(TOUCH)
        session.execute("PREPARE TRANSACTION 'forgotten'")
        yield
        session.execute("ROLLBACK PREPARED 'forgotten'")
