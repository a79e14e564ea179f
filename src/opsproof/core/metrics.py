"""The metrics that limits can be declared for."""

from typing import NamedTuple

from opsproof.core import extensions


class Metric(NamedTuple):
    """A metric's title for readers, its unit (a key of `units.UNITS`, or ``word``) and its meaning.

    A metric with `looks_back` is measured over its limit's `over`, by default since the last run.
    A metric of countable things has a `singular`; its values are shown before the title: ``3 restarts``.
    """

    title: str
    unit: str
    meaning: str
    looks_back: bool = False
    singular: str = ""


METRICS: dict[str, Metric] = {
    "process_status": Metric("status", "word", "PM2 status of a declared process"),
    "restarts": Metric(
        "restarts", "count", "Restarts of a process or unit within `over`", looks_back=True, singular="restart"
    ),
    "unplanned_restarts": Metric(
        "unplanned restarts",
        "count",
        "Restarts of a process or unit within `over`, outside deployments: from a predeploy to its postdeploy round",
        looks_back=True,
        singular="unplanned restart",
    ),
    "process_memory": Metric("memory", "bytes", "Resident memory of a process"),
    "process_uptime": Metric("uptime", "seconds", "Time since the last start of a process or a unit"),
    "process_starts": Metric(
        "restarts",
        "count",
        "Restarts of a plain process within `over`, as far as rounds saw them",
        looks_back=True,
        singular="restart",
    ),
    "service_status": Metric("status", "word", "State of a systemd unit or a plain process"),
    "service_memory": Metric(
        "memory used",
        "percent",
        "Memory of a unit or a plain process as a share of MemoryMax, else of the memory of the host",
    ),
    "service_frozen": Metric(
        "frozen",
        "seconds",
        "Time for which clients waited while the CPU time of a unit or a plain process stood still",
    ),
    "job_delay": Metric("job delay", "seconds", "Time by which the start of a job of PM2's cron or of systemd is late"),
    "schedule_delay": Metric(
        "delay in the schedule", "seconds", "Time since a job of `jobs` was due, if no run has begun since"
    ),
    "log_errors": Metric(
        "errors", "count", "ERROR lines within `over`, client errors excluded", looks_back=True, singular="error"
    ),
    "client_errors": Metric(
        "client errors",
        "count",
        "ERROR lines with a 4xx status, within the `over` of log_errors",
        singular="client error",
    ),
    "log_fatals": Metric(
        "fatal errors", "count", "FATAL lines, within the `over` of log_errors", singular="fatal error"
    ),
    "log_unread": Metric(
        "unread lines", "percent", "Lines of a log in no declared format, within the `over` of log_errors"
    ),
    "log_growth": Metric(
        "growth a minute", "bytes", "Bytes a minute in a log's busiest ten minutes, within the `over` of log_errors"
    ),
    "log_silence": Metric("time since last line", "seconds", "Time since the last line of a log"),
    "log_folder_size": Metric("folder size", "bytes", "Size of all files in a log folder"),
    "log_file_size": Metric("largest file", "bytes", "Size of the largest file in a log folder, or of PM2's own logs"),
    "rotation_overdue": Metric("rotation delay", "seconds", "Time for which a log with lines was not rotated"),
    "rotated_history": Metric("rotated history", "seconds", "Age of the oldest line in the rotated files of a log"),
    "rotated_age": Metric("age of oldest rotated file", "seconds", "Age of the oldest rotated file of a log"),
    "rotated_uncompressed": Metric(
        "uncompressed rotated files",
        "count",
        "Rotated files of a log that are not compressed",
        singular="uncompressed rotated file",
    ),
    "http_status": Metric("HTTP status", "count", "HTTP status code of an endpoint"),
    "health_status": Metric("health status", "word", "Status in the health answer of the platform"),
    "services_down": Metric(
        "services down", "count", "Services that a health answer does not report as up", singular="service down"
    ),
    "ports_undeclared": Metric(
        "undeclared ports",
        "count",
        "Listening TCP sockets beyond loopback that no port declares",
        singular="undeclared port",
    ),
    "response_time": Metric("response time", "seconds", "Time from the request to the complete answer"),
    "disk_used": Metric("disk used", "percent", "Share of a file system's bytes in use"),
    "inodes_used": Metric("inodes used", "percent", "Share of a file system's inodes in use"),
    "memory_available": Metric("memory available", "percent", "Share of memory available to programs (MemAvailable)"),
    "swap_used": Metric("swap used", "percent", "Share of swap space in use"),
    "load_per_core": Metric("load per core", "count", "Five-minute load average divided by the number of processors"),
    "clock_offset": Metric(
        "clock offset", "seconds", "Difference between the host's clock and the clock of this machine"
    ),
    "query_time": Metric("query time", "seconds", "Time to connect and run the smallest query"),
    "connections_used": Metric(
        "connections used", "percent", "Share of the connection limit in use: of the server, a role or the database"
    ),
    "indexes_invalid": Metric(
        "invalid indexes", "count", "Invalid indexes, except those being built", singular="invalid index"
    ),
    "interrupted_index_builds": Metric(
        "interrupted index builds",
        "count",
        "Indexes that an interrupted REINDEX CONCURRENTLY left behind",
        singular="interrupted index build",
    ),
    "indexes_redundant": Metric(
        "redundant indexes", "count", "Indexes that another index covers", singular="redundant index"
    ),
    "index_idle": Metric(
        "time since last index scan", "seconds", "Time since the last scan of the least recently used index"
    ),
    "foreign_key_unindexed": Metric(
        "largest table with an unindexed foreign key",
        "bytes",
        "Size of the largest table with a foreign key and no index for it",
    ),
    "tables_without_key": Metric(
        "tables without a primary key", "count", "Tables without a primary key", singular="table without a primary key"
    ),
    "index_scans": Metric("index scans", "percent", "Lowest share of index scans among all scans of a large table"),
    "vector_recall": Metric(
        "recall",
        "percent",
        "Share of the nearest neighbours that searches find: lower end of the 95 % confidence interval",
    ),
    "vector_lists": Metric(
        "list ratio", "count", "Lists of an IVFFlat index divided by the recommended number for its rows"
    ),
    "vector_new_rows": Metric("new rows", "percent", "Share of the rows inserted since the index was built"),
    "vector_age": Metric("index age", "seconds", "Time since a vector index was built"),
    "vector_release": Metric("pgvector release", "word", "Whether pgvector is vulnerable, outdated or current"),
    "vector_build_memory": Metric(
        "build memory",
        "percent",
        "Memory that the next build of a vector index needs, as a share of maintenance_work_mem",
    ),
    "statements_evicted": Metric(
        "pg_stat_statements evictions",
        "count",
        "Statements that a full pg_stat_statements evicted since the last run",
        looks_back=True,
        singular="pg_stat_statements eviction",
    ),
    "statement_time": Metric(
        "mean execution time", "seconds", "Mean execution time of the slowest statement with at least twenty calls"
    ),
    "rare_statement_time": Metric(
        "mean execution time", "seconds", "Mean execution time of the slowest statement with fewer than twenty calls"
    ),
    "statement_slowdown": Metric(
        "slowdown factor", "count", "Largest ratio of a statement's latest mean time to its mean time up to a month ago"
    ),
    "cache_hit_ratio": Metric(
        "cache hit ratio", "percent", "Share of the blocks found in shared buffers since the last run"
    ),
    "temporary_bytes": Metric("temporary files per day", "bytes", "Bytes written to temporary files per day"),
    "deadlocks": Metric("deadlocks", "count", "Deadlocks since the last run", looks_back=True, singular="deadlock"),
    "deadlock_rate": Metric(
        "deadlocks per hour", "count", "Deadlocks per hour since the last run, taken over at least an hour"
    ),
    "rollbacks": Metric("rollback ratio", "percent", "Share of the transactions rolled back since the last run"),
    "transaction_idle": Metric(
        "idle in transaction", "seconds", "Longest time that a session has been idle in transaction"
    ),
    "transaction_time": Metric("transaction time", "seconds", "Age of the oldest active transaction"),
    "lock_wait_time": Metric("lock wait", "seconds", "Longest time that a session has waited for a lock"),
    "transactions_prepared": Metric(
        "prepared transactions",
        "count",
        "Prepared transactions that are neither committed nor rolled back",
        singular="prepared transaction",
    ),
    "slots_inactive": Metric(
        "inactive replication slots",
        "count",
        "Replication slots without a consumer",
        singular="inactive replication slot",
    ),
    "replication_lag": Metric("replication lag", "seconds", "Lag of the slowest standby"),
    "database_size": Metric("database size", "bytes", "Size of a database on the server's disk"),
    "leftover_age": Metric(
        "age of the oldest leftover database",
        "seconds",
        "Time since the oldest drill or restore whose database is still on the server",
    ),
    "dead_rows": Metric(
        "dead rows", "percent", "Largest share of dead rows in tables that exceed their autovacuum threshold"
    ),
    "dead_rows_waiting": Metric(
        "dead rows against autovacuum threshold",
        "percent",
        "Largest ratio of a table's dead rows to its autovacuum threshold",
    ),
    "vacuum_age": Metric(
        "time since last vacuum",
        "seconds",
        "Longest time since the last vacuum of a table that exceeds its autovacuum threshold",
    ),
    "transaction_age": Metric(
        "transaction ID age", "count", "Age of the oldest datfrozenxid on the server, in transactions"
    ),
    "multixact_age": Metric("multixact ID age", "count", "Age of the oldest datminmxid on the server, in multixacts"),
    "vacuum_time": Metric(
        "vacuum time",
        "seconds",
        "Longest vacuum of a table: running, or (PostgreSQL 18 and later) finished since the last run",
    ),
    "vacuum_horizon_age": Metric(
        "vacuum horizon age",
        "seconds",
        "Longest known time that a session, a prepared transaction or a slot has kept dead rows from removal",
    ),
    "replica_horizon_age": Metric(
        "replica horizon age", "count", "Age of the oldest xmin held by a slot or a standby, in transactions"
    ),
    "changed_rows": Metric(
        "rows changed since analyze", "percent", "Largest share of a table's rows changed since its last analyze"
    ),
    "tables_unanalyzed": Metric(
        "tables never analyzed",
        "count",
        "Tables of at least 1000 rows or 1 MiB without planner statistics",
        singular="table never analyzed",
    ),
    "table_bloat": Metric("table bloat", "percent", "Largest share of unused space in a large table or TOAST table"),
    "index_bloat": Metric("index bloat", "percent", "Largest share of unused space in a large B-tree index"),
    "keys_used": Metric("keys used", "percent", "Largest used share of the values of a sequence or an integer key"),
    "table_size": Metric("table size", "bytes", "Size of the largest table, its TOAST table included"),
    "checksum_failures": Metric(
        "checksum failures", "count", "Pages read with a checksum mismatch", singular="checksum failure"
    ),
    "security_fixes_missing": Metric(
        "missing security releases",
        "count",
        "Minor releases with security fixes newer than the server's",
        singular="missing security release",
    ),
    "releases_age": Metric(
        "age of the release list", "seconds", "Time since the last update of the shipped list of PostgreSQL releases"
    ),
    "support_left": Metric("support left", "seconds", "Time until the end of support for the server's major version"),
    "password_left": Metric("time to password expiry", "seconds", "Time until the first password of a role expires"),
    "backup_age": Metric("backup age", "seconds", "Time since the start of a database's newest backup"),
    "backup_size": Metric("backup size", "bytes", "Size of the newest backup's files"),
    "backup_size_change": Metric(
        "backup size change", "percent", "Change of the newest backup's size from the median of the seven before"
    ),
    "backup_count": Metric("backups", "count", "Backups in a folder or a repository", singular="backup"),
    "expired_backups": Metric(
        "expired backups",
        "count",
        "Backups that expired more than a day ago and are not pruned",
        singular="expired backup",
    ),
    "partial_backups": Metric(
        "partial backups",
        "count",
        "Files of interrupted backups, except backups still running",
        singular="partial backup",
    ),
    "backup_room": Metric("free space for next backup", "percent", "Free space as a share of the newest backup's size"),
    "archive_gaps": Metric(
        "missing WAL segments", "count", "WAL segments missing from the archive", singular="missing WAL segment"
    ),
    "archive_age": Metric("WAL archive age", "seconds", "Time since the archive received a WAL segment"),
    "archive_delay": Metric(
        "WAL archiving delay", "seconds", "Time that a finished WAL segment has waited for archiving"
    ),
    "archive_timeout": Metric(
        "archive timeout", "seconds", "Time after which the server switches to a new WAL segment"
    ),
    "recovery_window": Metric("recovery window", "seconds", "How far back point-in-time recovery reaches"),
    "verification_age": Metric(
        "time since repository verification", "seconds", "Time since a whole repository was last read back"
    ),
    "copy_deleters": Metric(
        "users who can delete copies",
        "count",
        "Logins, groups and others who can delete or overwrite the newest off-site copy, in all targets",
    ),
    "drill_age": Metric("time since restore drill", "seconds", "Time since the last restore drill of a backup"),
    "restore_time": Metric("restore time", "seconds", "Duration of the restore in the last drill"),
    "container_status": Metric("container status", "word", "Docker status of a declared container"),
    "container_health": Metric(
        "container health", "word", "Status of the container's own health check; `none` without a health check"
    ),
    "container_restarts": Metric(
        "container restarts",
        "count",
        "Starts of a container since the last run",
        looks_back=True,
        singular="container restart",
    ),
    "container_logs": Metric("maximum log size", "bytes", "Most log output that Docker keeps of a container"),
    "queues_unconsumed": Metric(
        "queues without a consumer", "count", "Work queues without a consumer", singular="queue without a consumer"
    ),
    "messages_ready": Metric(
        "ready messages", "count", "Ready messages in the longest queue of a pattern", singular="ready message"
    ),
    "messages_ready_total": Metric(
        "ready messages in all queues",
        "count",
        "Ready messages in all queues of a pattern",
        singular="ready message in all queues",
    ),
    "messages_unacknowledged": Metric(
        "unacknowledged messages",
        "count",
        "Messages delivered and not acknowledged, in the worst queue of a pattern",
        singular="unacknowledged message",
    ),
    "messages_unacknowledged_total": Metric(
        "unacknowledged messages in all queues",
        "count",
        "Messages delivered and not acknowledged, in all queues of a pattern",
        singular="unacknowledged message in all queues",
    ),
    "stream_lag": Metric(
        "stream lag",
        "count",
        "Messages of a stream that its slowest consumer has not read, in the worst stream of a pattern",
    ),
    "dead_letters": Metric(
        "dead letters", "count", "Messages in all dead-letter queues of a pattern", singular="dead letter"
    ),
    "dead_letters_new": Metric(
        "new dead letters",
        "count",
        "Dead letters added since the last run",
        looks_back=True,
        singular="new dead letter",
    ),
    "cache_memory": Metric("memory used", "percent", "Share of Redis' maxmemory in use"),
    "cache_save_age": Metric(
        "time since last save", "seconds", "Time since the last save of Redis, if keys have changed since"
    ),
    "connections_rejected": Metric(
        "rejected connections",
        "count",
        "Connections that Redis rejected since the last run",
        looks_back=True,
        singular="rejected connection",
    ),
    "keys_evicted": Metric(
        "evicted keys",
        "count",
        "Keys that Redis evicted for lack of memory since the last run",
        looks_back=True,
        singular="evicted key",
    ),
    "oom_kills": Metric(
        "OOM kills",
        "count",
        "Processes that the kernel's OOM killer killed since the last run",
        looks_back=True,
        singular="OOM kill",
    ),
}

extensions.extend(METRICS, "metrics")
