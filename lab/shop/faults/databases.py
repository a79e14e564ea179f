"""Faults of the two clusters of PostgreSQL."""

from collections.abc import Iterator

from lab.fault import EVERYTHING, shows
from lab.shop import ShopLab
from lab.shop.faults.fault import fault
from lab.shop.faults.site import of
from lab.waiting import wait_until

UNIT = ("test_unit_is_active", "test_unit_uptime_is_within_limit", "test_unit_accepts_connections")
OF_A_DATABASE = (
    "test_autovacuum_is_enabled",
    "test_autovacuum_is_enabled_for_every_table",
    "test_cache_hit_ratio_is_within_limit",
    "test_connections_are_available",
    "test_data_checksums_are_enabled",
    "test_database_size_is_within_limit",
    "test_dead_rows_are_within_limit",
    "test_deadlocks_are_within_limit",
    "test_every_table_is_analyzed",
    "test_expiring_passwords_are_declared",
    "test_extensions_are_up_to_date",
    "test_foreign_keys_are_indexed",
    "test_indexes_are_not_bloated",
    "test_indexes_are_used",
    "test_indexes_are_valid",
    "test_key_values_are_available",
    "test_large_tables_use_index_scans",
    "test_largest_table_can_be_maintained",
    "test_lock_wait_is_within_limit",
    "test_multixacts_are_far_from_wraparound",
    "test_no_checksum_failure_is_counted",
    "test_no_index_is_redundant",
    "test_no_interrupted_index_build_remains",
    "test_no_old_database_remains",
    "test_no_prepared_transaction_remains",
    "test_no_session_is_idle_in_transaction",
    "test_no_setting_is_pending_restart",
    "test_no_statement_has_slowed_down",
    "test_passwords_do_not_expire_soon",
    "test_pg_stat_statements_evicts_nothing",
    "test_pg_stat_statements_is_enabled",
    "test_query_time_is_within_limit",
    "test_rare_statement_time_is_within_limit",
    "test_replica_horizon_is_recent",
    "test_replication_slots_are_active",
    "test_rollbacks_are_within_limit",
    "test_security_fixes_are_installed",
    "test_standby_lag_is_within_limit",
    "test_statement_time_is_within_limit",
    "test_statistics_are_current",
    "test_superusers_are_declared",
    "test_tables_are_not_bloated",
    "test_tables_are_vacuumed",
    "test_tables_have_a_primary_key",
    "test_temporary_bytes_are_within_limit",
    "test_transaction_ids_are_far_from_wraparound",
    "test_transaction_time_is_within_limit",
    "test_vacuum_horizon_is_recent",
    "test_vacuum_time_is_within_limit",
    "test_version_is_supported",
    "test_wal_archiving_succeeds",
    "test_writes_are_durable",
)
"""The checks that need a session with the database."""


@fault(failed=("test_indexes_are_valid[shop-archive]",), touches=("archive",))
@shows("visits_page_idx")
def invalid_index_in_the_second_cluster(lab: ShopLab) -> Iterator[None]:
    """A build of an index was cancelled: the index costs writes and answers no query."""
    partition = lab.sql("""SELECT to_char(now(), '"visits_"IYYY"w"IW')""", "archive")
    lab.sql(f"CREATE INDEX visits_page_idx ON {partition} (page)", "archive")
    lab.sql("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'visits_page_idx'::regclass", "archive")
    yield
    lab.sql("DROP INDEX visits_page_idx", "archive")


@fault(failed=("test_indexes_are_valid[shop-archive]",), touches=("archive",))
@shows("visits_page_idx")
def index_of_partitions_never_completed(lab: ShopLab) -> Iterator[None]:
    """An index was made for the partitioned table only, and its partitions never got theirs."""
    lab.sql("CREATE INDEX visits_page_idx ON ONLY visits (page)", "archive")
    yield
    lab.sql("DROP INDEX visits_page_idx", "archive")


@fault(failed=("test_superusers_are_declared[shop-archive]",), touches=("archive",))
@shows("intern")
def superuser_in_the_second_cluster(lab: ShopLab) -> Iterator[None]:
    """A role was made superuser for a migration, in one cluster only."""
    lab.sql("CREATE ROLE intern SUPERUSER", "archive")
    yield
    lab.sql("DROP ROLE intern", "archive")


@fault(failed=("test_autovacuum_is_enabled[shop-shop]",), touches=("shop database",))
@shows("off")
def autovacuum_switched_off_in_the_first_cluster(lab: ShopLab) -> Iterator[None]:
    """Autovacuum was switched off for an import."""
    lab.sql("ALTER SYSTEM SET autovacuum = off")
    lab.sql("SELECT pg_reload_conf()")
    wait_until(lambda: lab.sql("SHOW autovacuum") == "off", "the setting is off")
    yield
    lab.sql("ALTER SYSTEM RESET autovacuum")
    lab.sql("SELECT pg_reload_conf()")
    wait_until(lambda: lab.sql("SHOW autovacuum") == "on", "the setting is on")


@fault(
    failed=(
        "test_database_accepts_connections[shop-archive]",
        "test_port_is_open[shop-archive]",
        *of("outside", "test_endpoint_responds"),
    ),
    unknown=(
        *of("archive", *OF_A_DATABASE),
        *of("visits", "test_default_partition_is_empty", "test_future_partitions_exist", "test_partitions_have_no_gap"),
    ),
    may_change=of("postgresql@15-archive.service", *UNIT),
    touches=(EVERYTHING,),
)
@shows("503 Service", test_database_accepts_connections=r"\.s\.PGSQL\.5433", test_port_is_open="nothing listens")
def second_cluster_stopped(lab: ShopLab) -> Iterator[None]:
    """One of two clusters is stopped: the shop takes orders, and visits are lost."""
    lab.root("systemctl", "stop", "postgresql@15-archive")
    yield
    lab.root("systemctl", "start", "postgresql@15-archive")
    wait_until(lambda: lab.sql("SELECT 1", "archive") == "1", "the second cluster works")
    lab.settling.needs(6.1)
