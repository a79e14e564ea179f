"""Faults of VACUUM and ANALYZE, and of old snapshots that hold vacuum back."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from psycopg import sql

from lab import Lab, vectors
from lab.fault import EVERYTHING, TIME, causes, shows
from lab.faults.fault import fault
from lab.waiting import wait_until
from opsproof.core import scripts

DATABASE = "lab-metachat"
LEFT_OUT = f"test_autovacuum_is_enabled_for_every_table[{DATABASE}]"
UPKEEP = (
    f"test_dead_rows_are_within_limit[{DATABASE}]",
    f"test_tables_are_vacuumed[{DATABASE}]",
    LEFT_OUT,
    f"test_statistics_are_current[{DATABASE}]",
    f"test_every_table_is_analyzed[{DATABASE}]",
)
RESTARTED = ("test_log_errors_are_within_limit", "test_log_is_active", f"test_vacuum_horizon_is_recent[{DATABASE}]")
KEYLESS = (f"test_tables_have_a_primary_key[{DATABASE}]",)
VACUUMED = f"test_tables_are_vacuumed[{DATABASE}]"
COUNTED = (
    "test_cache_hit_ratio_is_within_limit",
    "test_temporary_bytes_are_within_limit",
    "test_deadlocks_are_within_limit",
    "test_rollbacks_are_within_limit",
    "test_large_tables_use_index_scans",
)
"""Checks whose counters share a reset time: a reset of any counter changes all of them."""
ROW = "SELECT n AS id, md5(n::text) AS note FROM generate_series(1, {}) n"
OVERDUE_S = 11
"""Exceeds the lab's limits for tables without a vacuum and for snapshots, 10 s."""
SEGMENT = 1 << 20
"""Transactions per file of pg_xact; at the first transaction of a file the server needs no older file."""


@contextmanager
def table(lab: Lab, name: str, *steps: str) -> Iterator[None]:
    """A table made by `steps`; flushes statistics after each step, since the server would delay them."""
    with lab.connect() as admin:
        for each in steps:
            admin.execute(each.encode())
            admin.execute("SELECT pg_stat_force_next_flush()")
    yield
    with lab.connect() as admin:
        admin.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))


def _await_old_statistics(lab: Lab) -> None:
    """Delays the next round until the statistics are older than the limit: soon after a reset no table is overdue."""
    with lab.connect() as admin:
        ((reset, now, *_),) = admin.execute(scripts.sql("facts/statistics_epoch").encode()).fetchall()
    lab.settling.needs(OVERDUE_S - (now - reset))


@fault(
    failed=(
        f"test_dead_rows_are_within_limit[{DATABASE}]",
        f"test_statistics_are_current[{DATABASE}]",
        f"test_tables_are_not_bloated[{DATABASE}]",
        LEFT_OUT,
    ),
    unknown=(VACUUMED,),
    may_change=KEYLESS,
    touches=("ledger",),
)
def update_storm(lab: Lab) -> Iterator[None]:
    """Every row of a table is updated three times, with autovacuum off for the table."""
    made = f"CREATE TABLE ledger WITH (autovacuum_enabled = off) AS {ROW.format(30000)}"
    with table(lab, "ledger", made, "ANALYZE ledger", *["UPDATE ledger SET note = md5(note)"] * 3):
        _await_old_statistics(lab)
        yield


@fault(
    failed=(f"test_dead_rows_are_within_limit[{DATABASE}]", f"test_statistics_are_current[{DATABASE}]", LEFT_OUT),
    unknown=(VACUUMED,),
    may_change=KEYLESS,
    touches=("ledger",),
)
def rows_deleted(lab: Lab) -> Iterator[None]:
    """Thirty percent of the rows are deleted and not vacuumed."""
    made = f"CREATE TABLE ledger WITH (autovacuum_enabled = off) AS {ROW.format(50000)}"
    with table(lab, "ledger", made, "ANALYZE ledger", "DELETE FROM ledger WHERE id % 10 < 3"):
        _await_old_statistics(lab)
        yield


@fault(failed=(VACUUMED, LEFT_OUT), may_change=KEYLESS, touches=("ledger", "snapshots", TIME))
def vacuum_overdue(lab: Lab) -> Iterator[None]:
    """A table vacuumed once has enough dead rows for autovacuum, and waits longer than the lab's limit."""
    made = f"CREATE TABLE ledger WITH (autovacuum_enabled = off) AS {ROW.format(4000)}"
    with table(lab, "ledger", made, "VACUUM (ANALYZE) ledger", "DELETE FROM ledger WHERE id % 2 = 0"):
        lab.settling.needs(OVERDUE_S)
        yield


@fault(failed=(f"test_every_table_is_analyzed[{DATABASE}]", LEFT_OUT), may_change=KEYLESS, touches=("ledger",))
def table_never_analyzed(lab: Lab) -> Iterator[None]:
    """A table was filled, and autoanalyze is disabled for the table."""
    options = "autovacuum_analyze_threshold = 1000000000, autovacuum_vacuum_insert_threshold = -1"
    made = f"CREATE TABLE ledger WITH ({options}) AS {ROW.format(5000)}"
    with table(lab, "ledger", made):
        yield


@fault(failed=(f"test_every_table_is_analyzed[{DATABASE}]",), may_change=KEYLESS, touches=("ledger",))
def partitioned_table_never_analyzed(lab: Lab) -> Iterator[None]:
    """The partitions have statistics, the parent table does not: autovacuum never analyzes parents."""
    parent = "CREATE TABLE ledger (id integer, note text) PARTITION BY RANGE (id)"
    leaf = "CREATE TABLE ledger_1 PARTITION OF ledger FOR VALUES FROM (MINVALUE) TO (MAXVALUE)"
    filled = f"INSERT INTO ledger {ROW.format(5000)}"
    with table(lab, "ledger", parent, leaf, filled, "VACUUM (ANALYZE) ledger_1"):
        yield


@fault(
    unknown=(
        f"test_dead_rows_are_within_limit[{DATABASE}]",
        f"test_tables_are_vacuumed[{DATABASE}]",
        f"test_statistics_are_current[{DATABASE}]",
        "test_new_rows_since_index_build_are_within_limit",
    ),
    may_change=(*KEYLESS, *COUNTED),
    touches=("ledger", "chunks", "snapshots"),
)
@causes("test_statistics_are_current", "test_new_rows_since_index_build_are_within_limit")
def table_statistics_lost(lab: Lab) -> Iterator[None]:
    """The server lost a table's statistics, as after a crash."""
    # Vacuumed now, or autovacuum does so, and counts the rows again behind the reset.
    made = f"CREATE TABLE ledger AS {ROW.format(20000)}"
    with table(lab, "ledger", made, "VACUUM (ANALYZE) ledger"):
        with lab.connect() as admin:
            admin.execute("SELECT pg_stat_reset_single_table_counters('ledger'::regclass)")
        yield
    vectors.rebuild(lab)


@fault(failed=(f"test_vacuum_time_is_within_limit[{DATABASE}]",), touches=("chunks", TIME))
@shows(r" chunks +\| ")
def vacuum_throttled(lab: Lab) -> Iterator[None]:
    """The cost limit is so low that autovacuum never finishes."""
    with lab.connect() as session:
        session.execute("SET vacuum_cost_delay = '100ms'")
        session.execute("SET vacuum_cost_limit = 1")
        session.pgconn.send_query(b"VACUUM (DISABLE_PAGE_SKIPPING) chunks")
        lab.settling.needs(16)
        yield
        session.cancel()
        session.close()


@fault(failed=(f"test_autovacuum_is_enabled[{DATABASE}]",))
def autovacuum_off(lab: Lab) -> Iterator[None]:
    """Autovacuum was switched off for a nightly load."""
    with setting(lab, "autovacuum", "off"):
        yield


@contextmanager
def setting(lab: Lab, name: str, value: str) -> Iterator[None]:
    """Changes a setting that takes effect on reload."""
    with lab.connect() as admin:
        admin.execute(sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), sql.Literal(value)))
        admin.execute("SELECT pg_reload_conf()")
        yield
        admin.execute(sql.SQL("ALTER SYSTEM RESET {}").format(sql.Identifier(name)))
        admin.execute("SELECT pg_reload_conf()")


@fault(
    failed=(
        f"test_vacuum_horizon_is_recent[{DATABASE}]",
        "test_no_session_is_idle_in_transaction",
        "test_transaction_time_is_within_limit",
    ),
    touches=("snapshots", TIME),
)
def snapshot_held_too_long(lab: Lab) -> Iterator[None]:
    """A report holds a snapshot longer than the lab's limit."""
    with lab.connect("metachat_app") as reader:
        reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT 1 FROM pg_class")
        lab.settling.needs(OVERDUE_S)
        yield


@fault(
    failed=(f"test_replica_horizon_is_recent[{DATABASE}]", "test_replication_slots_are_active"),
    may_change=RESTARTED,
    touches=(EVERYTHING,),
)
@shows("standby")
def standby_gone(lab: Lab) -> Iterator[None]:
    """A standby with hot_standby_feedback left its slot behind twenty million transactions ago."""
    _standby(lab)
    with aged(lab, 20 * SEGMENT):
        yield
    with lab.connect() as admin:
        admin.execute("SELECT pg_drop_replication_slot('standby')")


def _standby(lab: Lab) -> None:
    """Creates a slot, and sends the feedback of a standby with hot_standby_feedback."""
    with lab.connect() as admin:
        admin.execute("SELECT pg_create_physical_replication_slot('standby', true)")
        ((xid, start),) = admin.execute(
            "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint, pg_current_wal_lsn()::text"
        )
    with closing(lab.connect(replication="true")) as connection:
        stream = connection.pgconn
        stream.exec_(f"START_REPLICATION SLOT standby PHYSICAL {start}".encode())
        numbers = b"".join(each.to_bytes(4, "big") for each in (xid % 2**32, xid >> 32, 0, 0))
        stream.put_copy_data(b"h" + bytes(8) + numbers)
        stream.flush()
        _await_slot(lab)


def _await_slot(lab: Lab) -> None:
    with lab.connect() as admin:
        query = "SELECT xmin FROM pg_replication_slots"
        wait_until(lambda: admin.execute(query).fetchone() != (None,), "the slot keeps rows", 10)


@fault(
    failed=(
        f"test_transaction_ids_are_far_from_wraparound[{DATABASE}]",
        f"test_multixacts_are_far_from_wraparound[{DATABASE}]",
    ),
    may_change=RESTARTED,
    touches=(EVERYTHING,),
)
def transaction_ids_running_out(lab: Lab) -> Iterator[None]:
    """Nothing was frozen for more than a billion transactions and multixacts."""
    with aged(lab, 1050 * SEGMENT):
        yield


@contextmanager
def aged(lab: Lab, transactions: int) -> Iterator[None]:
    """Advances the server by `transactions` and as many multixacts, with freezing by autovacuum disabled."""
    limits = ("autovacuum_freeze_max_age", "autovacuum_multixact_freeze_max_age")
    with lab.connect() as admin:
        for name in limits:
            admin.execute(f"ALTER SYSTEM SET {name} = 2000000000".encode())
        ((xid, multixact, oldest),) = admin.execute(
            "SELECT next_xid, next_multixact_id::text::bigint, oldest_multi_xid::text::bigint"
            "  FROM pg_control_checkpoint()"
        )
    lab.stop_database()
    epoch, number = map(int, xid.split(":"))
    later = (epoch << 32) + number + transactions
    later -= later % SEGMENT
    shared = (multixact + transactions) % 2**32
    shared -= shared % SEGMENT
    words = ("-e", str(later >> 32), "-x", str(later % 2**32), "-m", f"{shared},{oldest}")
    lab.server.administer("pg_resetwal", *words)
    lab.up()
    yield
    _freeze(lab)
    with lab.connect() as admin:
        for name in limits:
            admin.execute(f"ALTER SYSTEM RESET {name}".encode())
    lab.stop_database()
    lab.up()


def _freeze(lab: Lab) -> None:
    with lab.connect() as admin:
        admin.execute("ALTER DATABASE template0 ALLOW_CONNECTIONS true")
        names = [name for (name,) in admin.execute("SELECT datname FROM pg_database")]
    for name in names:
        with lab.connect(database=name) as admin:
            admin.execute("VACUUM (FREEZE)")
    with lab.connect() as admin:
        admin.execute("ALTER DATABASE template0 ALLOW_CONNECTIONS false")


@fault(
    unknown=(*UPKEEP, f"test_tables_are_not_bloated[{DATABASE}]", f"test_indexes_are_not_bloated[{DATABASE}]"),
)
@causes("test_tables_are_not_bloated")
def monitor_without_grants(lab: Lab) -> Iterator[None]:
    """The database was recreated, and monitor.sql was not run."""
    columns = "starelid, staattnum, stainherit, stanullfrac, stawidth, stadistinct"
    with lab.connect() as admin:
        admin.execute(f"REVOKE SELECT ({columns}) ON pg_statistic FROM opsproof_monitor".encode())
        yield
        admin.execute(f"GRANT SELECT ({columns}) ON pg_statistic TO opsproof_monitor".encode())
