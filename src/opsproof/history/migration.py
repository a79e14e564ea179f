"""Migrates a history file of an earlier version, in one transaction."""

import sqlite3

VERSION = 2
"""The layout version, kept in `user_version`.

Layout 0 has older names of checks and older titles of metrics, layout 1 no `unknown_since` of verdicts.
"""

CHECKS = {
    "test_archive_has_no_gap": "test_wal_archive_has_no_gap",
    "test_any_moment_can_be_restored": "test_recovery_window_reaches_back",
    "test_archive_gets_what_is_written": "test_wal_archive_is_recent",
    "test_finished_log_is_archived": "test_finished_segments_are_archived",
    "test_quiet_log_is_archived_too": "test_archive_timeout_is_set",
    "test_backups_were_read_back": "test_repository_verification_is_recent",
    "test_backup_is_fresh": "test_backup_is_recent",
    "test_backup_is_what_it_was": "test_backup_checksums_match",
    "test_no_backup_was_interrupted": "test_no_partial_backup_remains",
    "test_old_backups_are_let_go": "test_expired_backups_are_pruned",
    "test_backups_are_enough": "test_backup_count_is_sufficient",
    "test_next_backup_has_room": "test_disk_has_room_for_next_backup",
    "test_backup_is_off_site": "test_off_site_copy_is_complete",
    "test_restore_was_practised": "test_restore_drill_is_recent",
    "test_last_drill_went_well": "test_last_restore_drill_succeeded",
    "test_restore_is_quick_enough": "test_restore_time_is_within_limit",
    "test_cache_memory_is_spare": "test_cache_memory_is_within_limit",
    "test_cache_answers": "test_cache_responds",
    "test_container_restarts_by_itself": "test_restart_policy_is_set",
    "test_container_logs_are_capped": "test_container_logs_are_limited",
    "test_memory_is_limited": "test_container_memory_is_limited",
    "test_container_runs": "test_container_is_running",
    "test_database_is_not_too_large": "test_database_size_is_within_limit",
    "test_query_is_answered_quickly": "test_query_time_is_within_limit",
    "test_connections_are_left": "test_connections_are_available",
    "test_disk_has_room": "test_disk_has_free_space",
    "test_inodes_are_left": "test_inodes_are_available",
    "test_endpoint_answers": "test_endpoint_responds",
    "test_answer_is_quick": "test_response_time_is_within_limit",
    "test_no_index_is_left_over": "test_no_interrupted_index_build_remains",
    "test_no_index_is_superfluous": "test_no_index_is_redundant",
    "test_large_tables_are_read_by_index": "test_large_tables_use_index_scans",
    "test_lists_suit_the_rows": "test_ivfflat_lists_match_row_count",
    "test_rows_have_not_outgrown_the_index": "test_new_rows_since_index_build_are_within_limit",
    "test_vector_index_is_rebuilt_monthly": "test_vector_index_is_recent",
    "test_vector_release_has_no_known_fault": "test_pgvector_release_has_no_known_fault",
    "test_next_build_fits_into_memory": "test_vector_index_build_fits_in_memory",
    "test_nearest_neighbours_are_found": "test_vector_recall_is_within_limit",
    "test_keys_are_left": "test_key_values_are_available",
    "test_coming_partitions_are_there": "test_future_partitions_exist",
    "test_no_partition_is_missing_between": "test_partitions_have_no_gap",
    "test_pages_have_checksums": "test_data_checksums_are_enabled",
    "test_no_page_is_damaged": "test_no_checksum_failure_is_counted",
    "test_no_setting_waits_for_a_restart": "test_no_setting_is_pending_restart",
    "test_errors_are_few": "test_log_errors_are_within_limit",
    "test_client_errors_are_ordinary": "test_client_errors_are_within_limit",
    "test_nothing_is_fatal": "test_log_has_no_fatal_errors",
    "test_log_is_written": "test_log_is_active",
    "test_rotated_files_reach_back": "test_rotated_files_cover_retention",
    "test_log_folder_is_small": "test_log_folder_size_is_within_limit",
    "test_no_log_file_is_large": "test_log_file_size_is_within_limit",
    "test_logs_of_pm2_itself_are_small": "test_pm2_own_log_size_is_within_limit",
    "test_nothing_was_killed_for_memory": "test_no_process_was_killed_for_memory",
    "test_swap_is_spare": "test_swap_use_is_within_limit",
    "test_load_is_bearable": "test_load_is_within_limit",
    "test_clock_agrees_with_ours": "test_clock_offset_is_within_limit",
    "test_sshd_takes_logins": "test_sshd_accepts_connections",
    "test_daemon_runs": "test_pm2_daemon_is_running",
    "test_saved_list_matches_what_runs": "test_pm2_saved_list_matches_processes",
    "test_daemon_and_tool_are_one_version": "test_pm2_daemon_and_cli_versions_match",
    "test_restarts_are_rare": "test_process_restarts_are_within_limit",
    "test_memory_is_bounded": "test_process_memory_is_within_limit",
    "test_process_has_settled": "test_process_uptime_is_within_limit",
    "test_broker_answers": "test_broker_responds",
    "test_queue_pattern_matches": "test_queue_pattern_matches_a_queue",
    "test_queues_are_consumed": "test_queues_have_consumers",
    "test_messages_do_not_pile_up": "test_ready_messages_are_within_limit",
    "test_dead_letters_are_few": "test_dead_letters_are_within_limit",
    "test_dead_letters_do_not_grow": "test_no_new_dead_letters_arrive",
    "test_replication_slots_are_used": "test_replication_slots_are_active",
    "test_standbys_keep_up": "test_standby_lag_is_within_limit",
    "test_log_is_archived": "test_wal_archiving_succeeds",
    "test_no_transaction_idles": "test_no_session_is_idle_in_transaction",
    "test_no_transaction_runs_long": "test_transaction_time_is_within_limit",
    "test_nobody_waits_for_a_lock": "test_lock_wait_is_within_limit",
    "test_no_transaction_stays_prepared": "test_no_prepared_transaction_remains",
    "test_statements_are_recorded": "test_pg_stat_statements_is_enabled",
    "test_no_statement_is_dropped": "test_pg_stat_statements_evicts_nothing",
    "test_statements_are_quick": "test_statement_time_is_within_limit",
    "test_blocks_are_found_in_memory": "test_cache_hit_ratio_is_within_limit",
    "test_temporary_files_are_small": "test_temporary_bytes_are_within_limit",
    "test_no_deadlock_happened": "test_deadlocks_are_within_limit",
    "test_transactions_are_committed": "test_rollbacks_are_within_limit",
    "test_statistics_are_fresh": "test_statistics_are_current",
    "test_dead_rows_are_few": "test_dead_rows_are_within_limit",
    "test_autovacuum_is_on": "test_autovacuum_is_enabled",
    "test_no_table_is_left_to_itself": "test_autovacuum_is_enabled_for_every_table",
    "test_transaction_ids_are_far_from_running_out": "test_transaction_ids_are_far_from_wraparound",
    "test_multixacts_are_far_from_running_out": "test_multixacts_are_far_from_wraparound",
    "test_nothing_keeps_dead_rows_for_long": "test_vacuum_horizon_is_recent",
    "test_no_replica_keeps_dead_rows_for_long": "test_replica_horizon_is_recent",
    "test_vacuums_come_to_their_end": "test_vacuum_time_is_within_limit",
}
"""The names of checks, by their names in layout 0."""
TITLES = {
    "silence": "time since last line",
    "rotation overdue": "rotation delay",
    "oldest rotated file": "age of oldest rotated file",
    "clock difference": "clock offset",
    "indexes left over": "interrupted index builds",
    "superfluous indexes": "redundant indexes",
    "size": "largest table with an unindexed foreign key",
    "scans by index": "index scans",
    "lists": "list ratio",
    "age": "index age",
    "release": "pgvector release",
    "drops of statements": "pg_stat_statements evictions",
    "mean time": "mean execution time",
    "slowdown": "slowdown factor",
    "blocks in memory": "cache hit ratio",
    "temporary files": "temporary files per day",
    "deadlocks an hour": "deadlocks per hour",
    "rollbacks": "rollback ratio",
    "running time": "transaction time",
    "wait": "lock wait",
    "unused replication slots": "inactive replication slots",
    "lag": "replication lag",
    "dead rows waiting": "dead rows against autovacuum threshold",
    "last vacuum": "time since last vacuum",
    "transaction age": "transaction ID age",
    "multixact age": "multixact ID age",
    "vacuum": "vacuum time",
    "hold on dead rows": "vacuum horizon age",
    "hold of replicas": "replica horizon age",
    "changed rows": "rows changed since analyze",
    "damaged pages": "checksum failures",
    "security releases missed": "missing security releases",
    "age of the list of releases": "age of the release list",
    "time to expiry": "time to password expiry",
    "overdue backups": "expired backups",
    "leftovers": "partial backups",
    "room for a backup": "free space for next backup",
    "gaps": "missing WAL segments",
    "archive age": "WAL archive age",
    "archive delay": "WAL archiving delay",
    "reading age": "time since repository verification",
    "drill age": "time since restore drill",
    "log size": "maximum log size",
    "messages ready": "ready messages",
    "messages unacknowledged": "unacknowledged messages",
    "last save": "time since last save",
    "connections rejected": "rejected connections",
    "keys evicted": "evicted keys",
    "processes killed": "OOM kills",
}
"""The titles of metrics, by their titles in layout 0. A title that two metrics shared keeps its rows: they do not say
which metric they are of."""


def is_current(connection: sqlite3.Connection) -> bool:
    """Whether the file is empty or has the current layout.

    Raises:
        sqlite3.DatabaseError: a newer version wrote the file.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise sqlite3.DatabaseError(f"written by a newer version of opsproof (layout {version}, known {VERSION})")
    return version == VERSION or (version == 0 and not _has(connection, "samples", "noun"))


def migrate(connection: sqlite3.Connection) -> None:
    """Brings an older layout up to date. Does nothing if another process has migrated the file."""
    connection.execute("BEGIN IMMEDIATE")
    with connection:
        if is_current(connection):
            return
        if _has(connection, "samples", "noun"):
            _rename(connection)
        connection.execute("ALTER TABLE verdicts ADD COLUMN unknown_since REAL")
        connection.execute(f"PRAGMA user_version = {VERSION}")


def _rename(connection: sqlite3.Connection) -> None:
    """Renames columns, checks and metrics of layout 0."""
    connection.execute("ALTER TABLE samples RENAME COLUMN noun TO resource")
    for table in ("verdicts", "measurements"):
        connection.executemany(_RENAME_CHECK.format(table), [(new, old, old) for old, new in CHECKS.items()])
    for table in ("measurements", "samples"):
        rows = [(new, old) for old, new in TITLES.items()]
        connection.executemany(f"UPDATE {table} SET metric = ? WHERE metric = ?", rows)  # noqa: S608


_RENAME_CHECK = """
    UPDATE {} SET test = ? || substr(test, length(?) + 1)
     WHERE substr(test, 1, instr(test || '[', '[') - 1) = ?
"""


def _has(connection: sqlite3.Connection, table: str, column: str) -> bool:
    return any(row[1] == column for row in connection.execute(f"PRAGMA table_info({table})"))
