"""Faults of statements and of database statistics."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg

from lab import Lab
from lab.fault import EVERYTHING, causes, shows
from lab.faults.fault import fault
from lab.recording import record_round

OF_STATEMENTS = (
    "test_pg_stat_statements_evicts_nothing",
    "test_statement_time_is_within_limit",
    "test_rare_statement_time_is_within_limit",
    "test_no_statement_has_slowed_down",
)
CHECKS = (
    "test_pg_stat_statements_is_enabled",
    *OF_STATEMENTS,
    "test_cache_hit_ratio_is_within_limit",
    "test_temporary_bytes_are_within_limit",
    "test_deadlocks_are_within_limit",
    "test_rollbacks_are_within_limit",
)
LOGGED = ("test_log_errors_are_within_limit", "test_log_is_active")


@fault(failed=("test_pg_stat_statements_is_enabled",), unknown=OF_STATEMENTS, touches=("statements",))
@causes("test_pg_stat_statements_is_enabled")
def statements_not_recorded(lab: Lab) -> Iterator[None]:
    """The extension was not created after a restore."""
    with lab.connect() as admin:
        admin.execute("DROP EXTENSION pg_stat_statements")
        yield
        admin.execute("CREATE EXTENSION pg_stat_statements")


@fault(warned=("test_pg_stat_statements_evicts_nothing",), may_change=LOGGED, touches=(EVERYTHING,))
@shows("^ 100$")
def statements_evicted(lab: Lab) -> Iterator[None]:
    """pg_stat_statements.max is 100, with three hundred distinct statements."""
    with lab.connect() as admin:
        admin.execute("ALTER SYSTEM SET pg_stat_statements.max = 100")
    lab.stop_database()
    lab.up()
    with lab.connect() as admin:
        for columns in range(1, 300):
            admin.execute(f"SELECT {', '.join(['1'] * columns)}".encode())
        yield
        admin.execute("ALTER SYSTEM RESET pg_stat_statements.max")
    lab.stop_database()
    lab.up()
    record_round(lab, "checks/statements/test_statements.py")  # some entries were evicted after the round


@fault(failed=("test_statement_time_is_within_limit",), touches=("statements",))
@shows("pg_sleep")
def statement_slow(lab: Lab) -> Iterator[None]:
    """A statement takes 150 ms and runs repeatedly."""
    with lab.connect() as admin:
        for _ in range(20):
            admin.execute("SELECT pg_sleep(0.15)")
        yield
        _reset_statistics(admin, "SELECT pg_sleep")


@fault(warned=("test_rare_statement_time_is_within_limit",), touches=("statements",))
@shows("pg_sleep")
def rare_statement_slow(lab: Lab) -> Iterator[None]:
    """A report took seven seconds, once."""
    with lab.connect() as admin:
        admin.execute("SELECT pg_sleep(9.5)")
        yield
        _reset_statistics(admin, "SELECT pg_sleep")


def _reset_statistics(admin: psycopg.Connection[tuple[object, ...]], beginning: str) -> None:
    """Resets the statistics of statements beginning with `beginning`: they were slow on purpose."""
    query = f"SELECT queryid FROM pg_stat_statements WHERE query LIKE '{beginning}%'"
    admin.execute(f"SELECT pg_stat_statements_reset(queryid => s.queryid) FROM ({query}) s".encode())


@fault(failed=("test_no_statement_has_slowed_down",), may_change=LOGGED, touches=("statements",))
@shows(r"\d\d \| SELECT id, type, status FROM channels")
def statement_slowed_down(lab: Lab) -> Iterator[None]:
    """After a change of the row policy of channels, reading them takes a hundred times as long."""
    _read_channels(lab, 40)
    record_round(lab, "checks/statements/test_statements.py")
    with lab.connect() as admin:
        policy = (
            "ALTER POLICY tenant_isolation ON channels USING (\"tenantId\" = current_setting('app.tenant_id', true){})"
        )
        admin.execute(policy.format(" AND (SELECT pg_sleep(0.06)) IS NOT NULL").encode())
        _read_channels(lab, 40)
        yield
        admin.execute(policy.format("").encode())
        _read_channels(lab, 40)


def _read_channels(lab: Lab, times: int) -> None:
    """Reads channels like the API, so pg_stat_statements counts the same statement."""
    with lab.connect("metachat_app") as application, application.transaction():
        application.execute("SET LOCAL app.tenant_id = 'ten00007'")
        for _ in range(times):
            application.execute("SELECT id, type, status FROM channels ORDER BY id LIMIT 20")


@fault(
    failed=("test_cache_hit_ratio_is_within_limit",),
    may_change=("test_no_statement_has_slowed_down",),
    touches=("extra", "snapshots"),
)
@shows("FROM extra")
def blocks_read_from_disk(lab: Lab) -> Iterator[None]:
    """A table larger than shared_buffers is read two hundred times."""
    with lab.connect() as admin:
        admin.execute("CREATE TABLE extra AS SELECT n, repeat('x', 1900) AS body FROM generate_series(1, 40000) n")
        admin.execute("VACUUM (FREEZE) extra")
        # Unflushed statistics of a session are lost if the table is dropped before the session ends.
        with lab.connect() as session:
            session.execute("SET max_parallel_workers_per_gather = 0")
            for _ in range(200):
                session.execute("SELECT count(*) FROM extra")
        admin.execute("DROP TABLE extra")
    yield


@fault(warned=("test_temporary_bytes_are_within_limit",), may_change=("test_rare_statement_time_is_within_limit",))
@shows("WITH kept AS")
def temporary_files(lab: Lab) -> Iterator[None]:
    """A query needs more than a thousand times its work_mem."""
    with lab.connect() as admin:
        kept = "SELECT repeat('x', 10000) || n FROM generate_series(1, 120000) n"
        admin.execute(f"WITH kept AS MATERIALIZED ({kept}) SELECT count(*) FROM kept".encode())
    yield


@fault(warned=("test_deadlocks_are_within_limit",), touches=("statements", "webhooks"))
def deadlock(lab: Lab) -> Iterator[None]:
    """Two transactions wait for each other's row lock."""
    _deadlock(lab)
    yield


@contextmanager
def _short_deadlock_timeout(admin: psycopg.Connection[tuple[object, ...]]) -> Iterator[None]:
    """Shortens deadlock_timeout."""
    admin.execute("ALTER SYSTEM SET deadlock_timeout = '20ms'")
    admin.execute("SELECT pg_reload_conf()")
    yield
    admin.execute("ALTER SYSTEM RESET deadlock_timeout")
    admin.execute("SELECT pg_reload_conf()")


def _deadlock(lab: Lab) -> None:
    touch = "UPDATE webhooks SET enabled = enabled WHERE id = %s"
    with lab.connect() as first, lab.connect() as second:
        for session, row in ((first, "whk0001"), (second, "whk0002")):
            session.execute("BEGIN")
            session.execute(touch, (row,))
        other = threading.Thread(target=_update, args=(second, touch, "whk0001"))
        other.start()
        _update(first, touch, "whk0002")
        other.join()
        for session in (first, second):
            session.execute("ROLLBACK")


@fault(failed=("test_deadlocks_are_within_limit",), touches=("statements", "webhooks"))
def repeated_deadlocks(lab: Lab) -> Iterator[None]:
    """More than five deadlocks in an hour."""
    with lab.connect() as admin:
        with _short_deadlock_timeout(admin):
            for _ in range(6):
                _deadlock(lab)
        yield
        _reset_statistics(admin, "UPDATE webhooks")


def _update(session: psycopg.Connection[tuple[object, ...]], statement: str, row: str) -> None:
    with suppress(psycopg.errors.DeadlockDetected):
        session.execute(statement.encode(), (row,))


@fault(failed=("test_rollbacks_are_within_limit",))
def transactions_rolled_back(lab: Lab) -> Iterator[None]:
    """A job fails at every row."""
    with lab.connect() as session:
        for _ in range(2000):
            session.execute("BEGIN")
            session.execute("ROLLBACK")
    yield
