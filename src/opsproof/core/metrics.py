"""Every metric that a limit can be declared for: its name for readers and its unit."""

from typing import NamedTuple


class Metric(NamedTuple):
    """How a measured value is called, its unit (see `quantities.UNITS`, or ``word``) and meaning.

    One that looks back is measured over the time span `over` of its limit, else since the last run.
    """

    title: str
    unit: str
    meaning: str
    looks_back: bool = False


METRICS: dict[str, Metric] = {
    "process_status": Metric("status", "word", "PM2's word for the state of a declared process"),
    "restarts": Metric("restarts", "count", "Restarts of a process within the time span `over`", looks_back=True),
    "process_memory": Metric("memory", "bytes", "Resident memory of a process"),
    "process_uptime": Metric("uptime", "seconds", "Time since a process was last started"),
    "log_errors": Metric("errors", "count", "ERROR lines of the server's own fault within `over`", looks_back=True),
    "client_errors": Metric(
        "client errors", "count", "ERROR lines about a client's fault, over the span of log_errors"
    ),
    "log_fatals": Metric("fatal errors", "count", "FATAL lines, over the span of log_errors"),
    "log_silence": Metric("silence", "seconds", "Time since the last line of a log"),
    "log_folder_size": Metric("folder size", "bytes", "Size of all files in a folder of logs"),
    "log_file_size": Metric("largest file", "bytes", "Size of the largest file in a folder of logs, or of PM2's own"),
    "rotation_overdue": Metric(
        "rotation overdue", "seconds", "Time that the lines of a log have waited for its rotation"
    ),
    "rotated_history": Metric("rotated history", "seconds", "Age of the oldest line in the rotated files of a log"),
    "rotated_age": Metric("oldest rotated file", "seconds", "Age of a log's oldest rotated file"),
    "rotated_uncompressed": Metric(
        "uncompressed rotated files", "count", "Rotated files of a log that are not compressed"
    ),
    "http_status": Metric("HTTP status", "count", "Status code of an endpoint's answer"),
    "health_status": Metric("health", "word", "The platform's own word for its health"),
    "services_down": Metric("services down", "count", "Services that a health answer does not call up"),
    "response_time": Metric("response time", "seconds", "Time from request to complete answer"),
    "disk_used": Metric("disk used", "percent", "Share of a file system's bytes in use"),
    "inodes_used": Metric("inodes used", "percent", "Share of a file system's inodes in use"),
    "memory_available": Metric("memory available", "percent", "Share of memory that programs may still take"),
    "swap_used": Metric("swap used", "percent", "Share of swap space in use"),
    "load_per_core": Metric("load per core", "count", "Five-minute load average by processor"),
    "clock_offset": Metric("clock difference", "seconds", "Host's clock against this machine's"),
    "query_time": Metric("query time", "seconds", "Time to connect and answer the smallest query"),
    "connections_used": Metric(
        "connections used", "percent", "Share of the connections that may be, of the server, a role or the database"
    ),
    "indexes_invalid": Metric("invalid indexes", "count", "Indexes that no query can use, while nobody builds them"),
    "interrupted_index_builds": Metric("indexes left over", "count", "What rebuilding left behind when it was cut off"),
    "indexes_redundant": Metric("superfluous indexes", "count", "Indexes that another one makes superfluous"),
    "index_idle": Metric("idle time", "seconds", "How long the index that was scanned least recently was not scanned"),
    "foreign_key_unindexed": Metric(
        "size", "bytes", "Size of the largest table with a foreign key that no index serves"
    ),
    "tables_without_key": Metric("tables without a primary key", "count", "Tables whose rows cannot be named"),
    "index_scans": Metric(
        "scans by index", "percent", "Share of the scans that used an index, of the large table where it is least"
    ),
    "vector_recall": Metric(
        "recall", "percent", "Nearest neighbours that are found; the lower end of the 95 % confidence interval"
    ),
    "vector_lists": Metric("lists", "count", "Lists of an IVFFlat index by those that its rows ask for"),
    "vector_new_rows": Metric("new rows", "percent", "Share of the rows that came after the index was built"),
    "vector_age": Metric("age", "seconds", "Time since a vector index was built"),
    "vector_release": Metric("release", "word", "Whether pgvector is vulnerable, outdated or current"),
    "vector_build_memory": Metric(
        "memory", "percent", "What the next build of a vector index takes of maintenance_work_mem"
    ),
    "statements_evicted": Metric(
        "drops of statements",
        "count",
        "How often pg_stat_statements was full, and dropped some, since the last run",
        looks_back=True,
    ),
    "statement_time": Metric("mean time", "seconds", "Mean time of the slowest statement of twenty calls or more"),
    "statement_slowdown": Metric(
        "slowdown", "count", "Latest mean time of a statement by that up to a month ago, of the worst"
    ),
    "cache_hit_ratio": Metric(
        "blocks in memory", "percent", "Share of the blocks that were found in shared buffers since the last run"
    ),
    "temporary_bytes": Metric("temporary files", "bytes", "What is written to temporary files in a day"),
    "deadlocks": Metric("deadlocks", "count", "Deadlocks since the last run", looks_back=True),
    "deadlock_rate": Metric("deadlocks an hour", "count", "Deadlocks an hour since the last run, an hour ago at least"),
    "rollbacks": Metric("rollbacks", "percent", "Share of the transactions rolled back since the last run"),
    "transaction_idle": Metric("idle time", "seconds", "How long a client has done nothing in its transaction"),
    "transaction_time": Metric("running time", "seconds", "Age of the oldest transaction at work"),
    "lock_wait_time": Metric("wait", "seconds", "How long somebody has waited for a lock"),
    "transactions_prepared": Metric("prepared transactions", "count", "Transactions prepared and not ended"),
    "slots_inactive": Metric("unused replication slots", "count", "Replication slots that nobody reads from"),
    "replication_lag": Metric("lag", "seconds", "How far a standby is behind, of the worst"),
    "database_size": Metric("database size", "bytes", "Size of a database on the server's disk"),
    "dead_rows": Metric(
        "dead rows", "percent", "Largest share of dead rows in a table that autovacuum should have been at"
    ),
    "dead_rows_waiting": Metric(
        "dead rows waiting", "percent", "Most dead rows of such a table against what brings autovacuum"
    ),
    "vacuum_age": Metric("last vacuum", "seconds", "Longest time that a table has waited for a vacuum it is due for"),
    "transaction_age": Metric("transaction age", "count", "Transactions since the server's oldest database was frozen"),
    "multixact_age": Metric("multixact age", "count", "Multixacts since the server's oldest database was frozen"),
    "vacuum_time": Metric(
        "vacuum",
        "seconds",
        "Time that the vacuum of a table takes: one that runs, or from PostgreSQL 18 on the last ones",
    ),
    "vacuum_horizon_age": Metric(
        "hold on dead rows", "seconds", "Longest time that something has kept dead rows from removal"
    ),
    "replica_horizon_age": Metric(
        "hold of replicas", "count", "Transactions that a slot or a standby lags behind with its needs"
    ),
    "changed_rows": Metric("changed rows", "percent", "Largest share of rows changed since a table was analyzed"),
    "tables_unanalyzed": Metric(
        "tables never analyzed", "count", "Tables of 1000 rows or 1 MiB that the planner knows nothing of"
    ),
    "table_bloat": Metric("table bloat", "percent", "Largest unused share of a table, or a TOAST table, that is large"),
    "index_bloat": Metric("index bloat", "percent", "Largest unused share of a B-tree index that is large"),
    "keys_used": Metric(
        "keys used", "percent", "Largest share of a sequence's or integer key's values that is used up"
    ),
    "table_size": Metric("table size", "bytes", "Size of the largest table with its TOAST table"),
    "checksum_failures": Metric("damaged pages", "count", "Pages that were read with a wrong checksum"),
    "security_fixes_missing": Metric(
        "security releases missed", "count", "Releases with security fixes that a server lacks"
    ),
    "releases_age": Metric(
        "age of the list of releases", "seconds", "Time since the shipped list of releases was renewed"
    ),
    "support_left": Metric("support left", "seconds", "Time for which a server's major version is still mended"),
    "password_left": Metric("time to expiry", "seconds", "Time until the first password of a role expires"),
    "backup_age": Metric("backup age", "seconds", "Time since the newest backup of a database began"),
    "backup_size": Metric("backup size", "bytes", "Size of the newest backup's files"),
    "backup_size_change": Metric(
        "backup size change", "percent", "Newest backup's size against the median of the seven before it"
    ),
    "backup_count": Metric("backups", "count", "Backups that lie in a folder or a repository"),
    "expired_backups": Metric("overdue backups", "count", "Backups that should have been let go the day before"),
    "partial_backups": Metric("leftovers", "count", "Files of interrupted backups that nobody is at work on"),
    "backup_room": Metric("room for a backup", "percent", "Free space against the newest backup's size"),
    "archive_gaps": Metric("gaps", "count", "Segments of the write-ahead log that lack in the archive"),
    "archive_age": Metric("archive age", "seconds", "Time since the archive got a segment of the write-ahead log"),
    "archive_delay": Metric("archive delay", "seconds", "Time that a finished segment has waited for the archive"),
    "archive_timeout": Metric("archive timeout", "seconds", "Time after which a segment is finished though not full"),
    "recovery_window": Metric("recovery window", "seconds", "How far back any moment can be restored"),
    "verification_age": Metric("reading age", "seconds", "Time since all of a repository was read back"),
    "drill_age": Metric("drill age", "seconds", "Time since a backup was last restored for practice"),
    "restore_time": Metric("restore time", "seconds", "Time that the last drill took to restore a backup"),
    "container_status": Metric("status", "word", "Docker's word for the state of a declared container"),
    "container_health": Metric("health", "word", "What the container's own health check says; none where it has none"),
    "container_restarts": Metric(
        "container restarts", "count", "Starts of a container since the last run", looks_back=True
    ),
    "container_logs": Metric("log size", "bytes", "The most that Docker keeps of a container's output"),
    "queues_unconsumed": Metric("queues without a consumer", "count", "Work queues that nobody consumes"),
    "messages_ready": Metric("messages ready", "count", "Messages that wait in the longest queue of a pattern"),
    "messages_unacknowledged": Metric(
        "messages unacknowledged", "count", "Messages handed to consumers and not confirmed, of the worst queue"
    ),
    "dead_letters": Metric("dead letters", "count", "Messages in all dead-letter queues of a pattern"),
    "dead_letters_new": Metric("new dead letters", "count", "Dead letters more than in the last run", looks_back=True),
    "cache_memory": Metric("memory used", "percent", "Share of Redis' maxmemory in use"),
    "cache_save_age": Metric("last save", "seconds", "Age of the last save, where something was written since"),
    "connections_rejected": Metric(
        "connections rejected", "count", "Clients that Redis turned away since the last run", looks_back=True
    ),
    "keys_evicted": Metric(
        "keys evicted", "count", "Keys that Redis dropped for memory since the last run", looks_back=True
    ),
    "oom_kills": Metric(
        "processes killed", "count", "Processes killed by the kernel for memory since the last run", looks_back=True
    ),
}
