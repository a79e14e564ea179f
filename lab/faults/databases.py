"""Faults of PostgreSQL."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import psycopg

from lab import Lab
from lab.fault import EVERYTHING, causes, shows
from lab.faults import indexes, replication, sessions, statements, vectors
from lab.faults.fault import fault
from lab.waiting import wait_until

DATABASE = "lab-metachat"
UNREACHED = (
    f"test_query_time_is_within_limit[{DATABASE}]",
    f"test_connections_are_available[{DATABASE}]",
    f"test_database_size_is_within_limit[{DATABASE}]",
    *(check for each in (indexes, replication, sessions, statements, vectors) for check in each.CHECKS),
    "test_autovacuum_is_enabled",
    "test_backup_leaves_nothing_out",
    "test_backup_role_can_dump_everything",
    "test_future_partitions_exist",
    "test_dead_rows_are_within_limit",
    "test_default_partition_is_empty",
    "test_every_table_is_analyzed",
    "test_expiring_passwords_are_declared",
    "test_extensions_are_up_to_date",
    "test_indexes_are_not_bloated",
    "test_key_values_are_available",
    "test_largest_table_can_be_maintained",
    "test_multixacts_are_far_from_wraparound",
    "test_no_checksum_failure_is_counted",
    "test_no_old_database_remains",
    "test_partitions_have_no_gap",
    "test_replica_horizon_is_recent",
    "test_no_setting_is_pending_restart",
    "test_autovacuum_is_enabled_for_every_table",
    "test_vacuum_horizon_is_recent",
    "test_vacuum_time_is_within_limit",
    "test_data_checksums_are_enabled",
    "test_passwords_do_not_expire_soon",
    "test_security_fixes_are_installed",
    "test_statistics_are_current",
    "test_superusers_are_declared",
    "test_tables_are_not_bloated",
    "test_tables_are_vacuumed",
    "test_transaction_ids_are_far_from_wraparound",
    "test_version_is_supported",
    "test_writes_are_durable",
)
DEGRADED = (
    "test_platform_is_healthy[lab-health]",
    "test_services_are_up[lab-health]",
    "test_services_are_up[lab-api-health]",
)
REFUSED = (
    f"test_database_accepts_connections[{DATABASE}]",
    "test_endpoint_responds[lab-api-health]",
    "test_endpoint_responds[lab-ready]",
    "test_platform_is_healthy[lab-api-health]",
)
LOGGED = ("test_log_errors_are_within_limit", "test_log_is_active")


@fault(
    failed=(*REFUSED, *DEGRADED, "test_port_is_open[lab-postgres]"),
    unknown=UNREACHED,
    may_change=LOGGED,
    touches=(EVERYTHING,),
)
@shows('Connection refused|Failed to connect|HTTP/1.1 503|"degraded"', test_port_is_open="nothing listens")
@causes(
    "test_database_accepts_connections",
    "test_endpoint_responds",
    "test_services_are_up[lab-health]",
    "test_port_is_open",
)
def database_down(lab: Lab) -> Iterator[None]:
    """The server was stopped; the platform reports degraded with HTTP 200."""
    lab.stop_database()
    yield
    lab.up()


@fault(failed=(*REFUSED, *DEGRADED), unknown=UNREACHED, may_change=LOGGED, touches=(EVERYTHING,))
@shows('does not exist|Failed to connect|HTTP/1.1 503|"degraded"')
@causes("test_database_accepts_connections", "test_endpoint_responds", "test_services_are_up[lab-health]")
def database_missing(lab: Lab) -> Iterator[None]:
    """The database was renamed, so the declared database does not exist; the server runs on."""
    with lab.connect(database="postgres") as admin:
        admin.execute("ALTER DATABASE metachat ALLOW_CONNECTIONS false")
        admin.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = 'metachat'")
        admin.execute("ALTER DATABASE metachat RENAME TO aside")
        yield
        admin.execute("ALTER DATABASE aside RENAME TO metachat")
        admin.execute("ALTER DATABASE metachat ALLOW_CONNECTIONS true")
    wait_until(lambda: lab.status().up, "the platform recovers")


@fault(
    failed=(*REFUSED, *DEGRADED),
    unknown=UNREACHED,
    may_change=(*LOGGED, "test_response_time_is_within_limit"),
    touches=(EVERYTHING,),
)
@shows('timeout expired|HTTP/1.1 503|"degraded"')
@causes("test_database_accepts_connections", "test_endpoint_responds", "test_services_are_up[lab-health]")
def database_frozen(lab: Lab) -> Iterator[None]:
    """Every server process is halted: the kernel accepts connections, but the server does not answer."""
    pids = lab.database_pids()
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    yield
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
    wait_until(lambda: lab.status().up, "the platform recovers")


@fault(
    failed=(f"test_database_accepts_connections[{DATABASE}]",),
    unknown=UNREACHED,
    may_change=(*LOGGED, *REFUSED, *DEGRADED),
    touches=(EVERYTHING,),
)
@shows(r"opsproof_monitor.* \d\d$")
@causes("test_database_accepts_connections")
def connection_slots_used_up(lab: Lab) -> Iterator[None]:
    """A script holds every connection slot not reserved for superusers."""
    with ExitStack() as held:
        with suppress(psycopg.OperationalError):
            while True:
                held.enter_context(lab.connect("opsproof_monitor"))
        yield


@fault(warned=(f"test_connections_are_available[{DATABASE}]",), touches=("connections",))
@shows(r"opsproof_monitor.* \d\d$")
def connections_running_out(lab: Lab) -> Iterator[None]:
    """Five of six connections are in use."""
    with ExitStack() as held:
        admin = held.enter_context(lab.connect())
        query = (
            "SELECT 100.0 * count(*) / (current_setting('max_connections')::int"
            " - current_setting('superuser_reserved_connections')::int)"
            " FROM pg_stat_activity WHERE backend_type = 'client backend'"
        )
        while float(str(admin.execute(query).fetchone()[0])) < 82:  # type: ignore[index]
            held.enter_context(lab.connect("opsproof_monitor"))
        yield


@fault(
    failed=(f"test_query_time_is_within_limit[{DATABASE}]",),
    may_change=("test_response_time_is_within_limit", *LOGGED, *REFUSED, *DEGRADED),
    touches=(EVERYTHING,),
)
@shows(r"\| starting")
def database_slow_to_receive(lab: Lab) -> Iterator[None]:
    """A new session takes two seconds to start; open sessions are not affected."""
    with lab.connect() as admin:
        admin.execute("ALTER SYSTEM SET post_auth_delay = 2")
        admin.execute("SELECT pg_reload_conf()")
        with _new_sessions(lab):
            yield
        admin.execute("ALTER SYSTEM RESET post_auth_delay")
        admin.execute("SELECT pg_reload_conf()")


@contextmanager
def _new_sessions(lab: Lab) -> Iterator[None]:
    """At any moment, one session starts."""
    ended = threading.Event()

    def connect() -> None:
        while not ended.is_set():
            with suppress(psycopg.OperationalError):
                lab.connect().close()

    thread = threading.Thread(target=connect)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
