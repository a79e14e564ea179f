"""Faults of indexes: invalid, superfluous and missing indexes."""

import sqlite3
import struct
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

from lab import Lab
from lab.fault import EVERYTHING, TIME, shows
from lab.faults.fault import fault
from lab.postgres import leave_invalid
from lab.recording import add_reading
from lab.waiting import wait_until

CHECKS = (
    "test_indexes_are_valid",
    "test_no_interrupted_index_build_remains",
    "test_no_index_is_redundant",
    "test_indexes_are_used",
    "test_foreign_keys_are_indexed",
    "test_tables_have_a_primary_key",
    "test_large_tables_use_index_scans",
)
MONTH_S = 31 * 86400
_EPOCH_2000 = 946684800


@contextmanager
def _cut_off(lab: Lab, statement: str) -> Iterator[None]:
    """An index build waits for an open transaction and is cancelled."""
    with lab.connect() as other, lab.connect() as builder:
        with other.transaction():
            other.execute("UPDATE webhooks SET enabled = enabled WHERE id = 'whk0001'")
            leave_invalid(builder, other, statement)
        yield


@contextmanager
def _table(lab: Lab, definition: str, rows: str) -> Iterator[None]:
    """A temporary table `extra`, filled, vacuumed and analyzed, and dropped at the end."""
    with lab.connect() as admin:
        admin.execute(f"CREATE TABLE extra ({definition})".encode())
        admin.execute(f"INSERT INTO extra {rows}".encode())
        admin.execute("VACUUM (ANALYZE) extra")
        yield
        admin.execute("DROP TABLE extra")


@fault(failed=("test_indexes_are_valid",), touches=("webhooks", "snapshots"))
def index_build_cancelled(lab: Lab) -> Iterator[None]:
    """CREATE INDEX CONCURRENTLY was cancelled while waiting: an invalid index is left."""
    with _cut_off(lab, "CREATE INDEX CONCURRENTLY webhooks_url_idx ON webhooks (url)"), lab.connect() as admin:
        yield
        admin.execute("DROP INDEX webhooks_url_idx")


@fault(failed=("test_no_interrupted_index_build_remains",), touches=("webhooks", "snapshots"))
def index_rebuild_cancelled(lab: Lab) -> Iterator[None]:
    """REINDEX CONCURRENTLY was cancelled while waiting: an invalid new index is left beside the old index."""
    with _cut_off(lab, "REINDEX INDEX CONCURRENTLY webhooks_pkey"), lab.connect() as admin:
        yield
        admin.execute("DROP INDEX webhooks_pkey_ccnew")


@fault(
    may_change=(
        "test_no_session_is_idle_in_transaction",
        "test_transaction_time_is_within_limit",
        "test_lock_wait_is_within_limit",
    ),
    touches=("webhooks", "snapshots", TIME),
)
def index_build_running(lab: Lab) -> Iterator[None]:
    """An index still being built is not valid yet, and no fault."""
    with lab.connect() as other, lab.connect() as builder, lab.connect() as admin:
        with other.transaction():
            other.execute("UPDATE webhooks SET enabled = enabled WHERE id = 'whk0001'")
            builder.pgconn.send_query(b"CREATE INDEX CONCURRENTLY webhooks_url_idx ON webhooks (url)")
            query = "SELECT count(*) FROM pg_index WHERE NOT indisvalid"
            wait_until(lambda: admin.execute(query).fetchone() == (1,), "the index is being built")
            yield
        wait_until(lambda: admin.execute(query).fetchone() == (0,), "the index is built")
        builder.close()
        admin.execute("DROP INDEX webhooks_url_idx")


@fault(warned=("test_no_index_is_redundant",))
@shows("DROP INDEX CONCURRENTLY public.events_again_idx")
def duplicate_index(lab: Lab) -> Iterator[None]:
    """Two migrations created the same index under different names."""
    with lab.connect() as admin:
        admin.execute('CREATE INDEX events_again_idx ON events ("tenantId", "createdAt")')
        yield
        admin.execute("DROP INDEX events_again_idx")


@fault(warned=("test_no_index_is_redundant",))
@shows("DROP INDEX CONCURRENTLY public.events_tenant_idx")
def index_is_prefix_of_another(lab: Lab) -> Iterator[None]:
    """An index on the first column of a longer index."""
    with lab.connect() as admin:
        admin.execute('CREATE INDEX events_tenant_idx ON events ("tenantId")')
        yield
        admin.execute("DROP INDEX events_tenant_idx")


@fault(
    warned=("test_indexes_are_used",),
    may_change=("test_log_errors_are_within_limit", "test_log_is_active"),
    touches=(EVERYTHING,),
)
@shows("DROP INDEX CONCURRENTLY public.events_type_idx")
def index_never_used(lab: Lab) -> Iterator[None]:
    """No query used the index of events by type for a month: server statistics and our history are backdated.

    A partial index cannot serve a count of all rows.
    """
    with lab.connect() as admin:
        admin.execute("CREATE INDEX events_type_idx ON events (type, id) WHERE type <> ''")
        (transaction,) = admin.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint").fetchone() or (
            0,
        )
    moment = time.time() - MONTH_S
    with _history(lab) as history:
        ((run,),) = history.execute("SELECT max(id) FROM runs").fetchall()
        add_reading(history, run, ("metachat", "transactions"), (transaction, 0.0, moment))
    _date_statistics(lab, -MONTH_S)
    yield
    _date_statistics(lab, MONTH_S)
    with _history(lab) as history:
        history.execute("DELETE FROM readings WHERE taken = ?", (moment,))
    with lab.connect() as admin:
        admin.execute("DROP INDEX events_type_idx")


def _date_statistics(lab: Lab, seconds: int) -> None:
    """Moves the statistics' reset times, in the file of the stopped server and in our history."""
    with lab.connect() as admin:
        query = """SELECT DISTINCT (extract(epoch FROM unnest(ARRAY[d.stats_reset, a.stats_reset])) * 1000000)::bigint
                     FROM pg_stat_database d, pg_stat_archiver a WHERE d.datname = current_database()"""
        moments_us = [int(str(each)) for (each,) in admin.execute(query) if each is not None]
    lab.stop_database()
    file = lab.server.data / "pg_stat" / "pgstat.stat"
    content = file.read_bytes()
    for each in moments_us:
        before = each - _EPOCH_2000 * 1_000_000
        content = content.replace(struct.pack("<q", before), struct.pack("<q", before + seconds * 1_000_000))
    file.write_bytes(content)
    lab.up()
    with _history(lab) as history:
        query = "UPDATE readings SET born = born + ? WHERE abs(born - ?) < 0.00001"
        history.executemany(query, [(seconds, each / 1e6) for each in moments_us])


@contextmanager
def _history(lab: Lab) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(lab.layout.reports / "history.sqlite")) as history, history:
        yield history


@fault(warned=("test_foreign_keys_are_indexed",), touches=("extra",))
def foreign_key_without_index(lab: Lab) -> Iterator[None]:
    """A table of 12 MB references tenants: each delete of a tenant scans the whole table."""
    rows = """SELECT n, 'ten' || lpad((1 + n % 200)::text, 5, '0'), repeat('x', 100) FROM generate_series(1, 80000) n"""
    definition = 'id integer PRIMARY KEY, "tenantId" text REFERENCES tenants, body text'
    with _table(lab, definition, rows):
        yield


@fault(warned=("test_tables_have_a_primary_key",), touches=("extra",))
@shows('Table "public.extra"')
def table_without_primary_key(lab: Lab) -> Iterator[None]:
    """Identical rows cannot be told apart."""
    with _table(lab, "id integer, body text", "SELECT n, 'x' FROM generate_series(1, 100) n"):
        yield


@fault(failed=("test_large_tables_use_index_scans",), touches=("extra",))
@shows("^ extra ")
def large_table_scanned_sequentially(lab: Lab) -> Iterator[None]:
    """A frequent query filters by a column without an index."""
    with _table(lab, "id integer PRIMARY KEY, body text", "SELECT n, 'x' FROM generate_series(1, 12000) n"):
        with lab.connect() as session:
            for number in range(200):
                session.execute("SELECT count(*) FROM extra WHERE body = %s", (str(number),))
        yield
