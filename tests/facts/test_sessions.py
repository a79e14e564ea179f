"""Sessions that block others, on a real server."""

import time
from contextlib import ExitStack

import pytest

from lab.postgres import SUPERUSER
from lab.waiting import wait_until
from opsproof.core.errors import MeasurementError
from opsproof.facts.sessions import (
    BlockedSessions,
    LockQueue,
    OpenTransaction,
    OpenTransactions,
    PreparedTransactions,
    Transactions,
    Waiter,
)
from opsproof.postgres.connection import Result, ask

ACTIVE = "state = 'active' AND wait_event = 'PgSleep'"
WAITS = "wait_event_type = 'Lock'"


@pytest.fixture
def session(postgres):
    """Opens sessions of the superuser, with an application name if wanted."""
    with ExitStack() as stack:

        def session(**options):
            opened = postgres.server.connect(SUPERUSER, postgres.password, "postgres", **options)
            stack.callback(opened.close)
            return opened

        admin = session()
        others = "SELECT count(*) FROM pg_stat_activity WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid()"
        wait_until(lambda: admin.execute(others).fetchone() == (0,), "no earlier session is in a transaction")
        admin.execute("DROP TABLE IF EXISTS rows; CREATE TABLE rows (id int PRIMARY KEY); INSERT INTO rows VALUES (1)")
        yield session


@pytest.fixture
def until(postgres):
    """Waits until a session is as a condition says."""

    def until(condition, of):
        query = f"SELECT count(*) FROM pg_stat_activity WHERE pid = {of.info.backend_pid} AND {condition}"
        with postgres.server.connect(SUPERUSER, postgres.password, "postgres") as admin:
            wait_until(lambda: admin.execute(query).fetchone() == (1,), condition)

    return until


def found(postgres, fact):
    (result,) = ask(postgres.target(), [fact.sql])
    return fact().parse(result, None)


def test_quiet_server_has_no_open_transaction_and_no_queue(session, postgres):
    session()
    assert found(postgres, OpenTransactions).sessions == ()
    assert found(postgres, BlockedSessions).longest_s == 0
    assert found(postgres, BlockedSessions).tree == []
    assert found(postgres, PreparedTransactions) == ()


def test_session_idle_in_transaction_is_listed(session, postgres):
    session(application_name="api").execute("BEGIN; SELECT 'secret', 42 AS answer")
    time.sleep(0.2)
    (idle,) = found(postgres, OpenTransactions).idle
    assert (idle.role, idle.application, idle.state) == (SUPERUSER, "api", "idle in transaction")
    assert 0.2 <= idle.state_s <= idle.transaction_s < 60
    assert idle.words == "BEGIN; SELECT ,  AS answer"


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("SELECT 'a''b', \"Sel'ect\" FROM (SELECT 'x' AS \"Sel'ect\") s WHERE 'secret' > ''", None),
        ("SELECT $tag$secret$tag$", "BEGIN"),
        ("SELECT E'it\\'s secret'", "BEGIN"),
        ("SELECT 1 /* it's */, 'secret'", None),
        ("SELECT 1 -- it's\n, 'secret'", None),
        ("SELECT 4111111111111111 AS secret_number", None),
    ],
)
def test_statement_text_contains_no_literals(session, postgres, query, words):
    session().execute(b"BEGIN; " + query.encode())
    (idle,) = found(postgres, OpenTransactions).idle
    assert "secret'" not in idle.words
    assert "it" not in idle.words.replace("secret", "")
    assert "4111" not in idle.words
    assert idle.words.startswith(words or "BEGIN; SELECT")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("SET my.word = secret", "SET"),
        ("\n\tset my.word = secret", "set"),
        ("BEGIN; SET LOCAL my.word = secret", "BEGIN"),
        ("SELECT 1; SET my.word = secret; SELECT 2", "SELECT"),
        ("CREATE INDEX more ON rows (id)", "CREATE INDEX more ON rows (id)"),
        ("(SELECT 1)", "(SELECT )"),
    ],
)
def test_statement_text_contains_no_secret_words(session, postgres, query, words):
    idle = session()
    idle.execute("BEGIN")
    idle.execute(query)
    assert [each.words for each in found(postgres, OpenTransactions).idle] == [words]


@pytest.mark.parametrize("application", ["pg_dump", "pg_restore"])
def test_dumps_are_exempt(session, postgres, application):
    session(application_name=application).execute("BEGIN; SELECT 1")
    transactions = found(postgres, OpenTransactions)
    assert (transactions.idle, transactions.running) == ([], [])
    assert len(transactions.sessions) == 1


def test_running_query_is_listed(session, postgres, until):
    running = session()
    running.pgconn.send_query(b"SELECT pg_sleep(30)")
    until(ACTIVE, running)
    (listed,) = found(postgres, OpenTransactions).running
    assert (listed.state, listed.words) == ("active", "SELECT pg_sleep()")
    running.cancel()


def test_maintenance_is_exempt(session, postgres, until):
    keeping, building = session(), session()
    keeping.execute("BEGIN; INSERT INTO rows VALUES (2)")
    building.pgconn.send_query(b"CREATE INDEX CONCURRENTLY ON rows (id)")
    until(WAITS, building)
    assert [each.pid for each in found(postgres, OpenTransactions).running] == [keeping.info.backend_pid]
    keeping.execute("ROLLBACK")


def test_maintenance_idle_in_transaction_is_not_exempt(session, postgres):
    session().execute("BEGIN; ANALYZE rows")
    assert len(found(postgres, OpenTransactions).idle) == 1


def test_lock_queue_is_a_tree(session, postgres, until):
    first, second, third = session(application_name="first"), session(application_name="second"), session()
    first.execute("BEGIN; UPDATE rows SET id = 1")
    for each in (second, third):
        each.pgconn.send_query(b"UPDATE rows SET id = 1 WHERE id = 1")
        until(WAITS, each)
    time.sleep(0.2)
    queue = found(postgres, BlockedSessions)
    assert 0.2 < queue.longest_s < 60
    assert [line.split(",")[0] for line in queue.tree] == [
        f"pid {first.info.backend_pid}",
        f"  waits: pid {second.info.backend_pid}",
        f"    waits: pid {third.info.backend_pid}",
    ]
    assert "idle in transaction" in queue.tree[0]
    assert found(postgres, OpenTransactions).running[0].pid == first.info.backend_pid
    first.execute("ROLLBACK")


def test_prepared_transaction_is_listed_as_blocker(session, postgres, until):
    preparing, waiting = session(), session()
    preparing.execute("BEGIN; UPDATE rows SET id = 1")
    preparing.execute("PREPARE TRANSACTION 'forgotten'")
    waiting.pgconn.send_query(b"UPDATE rows SET id = 1 WHERE id = 1")
    until(WAITS, waiting)
    (line,) = found(postgres, PreparedTransactions)
    assert line.startswith(f"forgotten of {SUPERUSER}, for ")
    assert found(postgres, BlockedSessions).tree[0] == "pid 0, prepared transaction"
    preparing.execute("ROLLBACK PREPARED 'forgotten'")


def test_circular_waiters_are_listed_once():
    ring = LockQueue({1: Waiter(1, (2,), 3.0, "one"), 2: Waiter(2, (1,), 4.0, "two")})
    assert ring.tree == ["pid 1, one", "  waits: pid 2, two"]
    assert ring.longest_s == 4


def test_transaction_between_two_statements_counts_as_running():
    def of(state, state_s, **fields):
        usual = {"pid": 1, "role": "r", "application": "", "transaction_s": 900.0, "waits": False, "exempt": False}
        return OpenTransaction(**{**usual, **fields}, state=state, state_s=state_s, words="SELECT")

    pausing, resting = of("idle in transaction", 0.1), of("idle in transaction", 90.0)
    waiting, dumping = of("active", 1.0, waits=True), of("active", 1.0, exempt=True)
    transactions = Transactions((pausing, resting, waiting, dumping))
    assert transactions.running == [pausing]
    assert transactions.idle == [resting, pausing]


NOBODY = [None] * 9


@pytest.mark.parametrize(
    ("fact", "row", "complaint"),
    [
        (OpenTransactions, [*NOBODY, False, True], "grant pg_monitor to the role"),
        (OpenTransactions, [*NOBODY, True, False], "track_activities is off"),
        (BlockedSessions, [False, *[None] * 8], "grant pg_monitor to the role"),
    ],
)
def test_missing_privileges_or_tracking_raise(fact, row, complaint):
    with pytest.raises(MeasurementError, match=complaint):
        fact().parse(Result([row]), None)


def test_long_queue_lists_each_waiter_once():
    """A waiter is blocked by all waiters ahead as well."""
    waiting = {pid: Waiter(pid, tuple(range(1, pid)), 1.0, "somebody") for pid in range(2, 41)}
    tree = LockQueue({1: Waiter(1, (), None, "somebody")} | waiting).tree
    assert [line.split()[-2] for line in tree] == [f"{pid}," for pid in range(1, 41)]
