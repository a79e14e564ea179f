-- Does WAL archiving work, and how long has the oldest finished segment waited?
SELECT current_setting('archive_mode'), archived_count, failed_count,
       extract(EPOCH FROM now() - last_archived_time)::float8, extract(EPOCH FROM now() - last_failed_time)::float8,
       last_failed_wal,
       -- A standby archives only with archive_mode = always: its waiting files date from before it became a standby.
       (SELECT extract(EPOCH FROM clock_timestamp() - min(modification)) FROM pg_ls_archive_statusdir()
         WHERE name LIKE '%.ready' AND (current_setting('archive_mode') = 'always' OR NOT pg_is_in_recovery()))::float8
  FROM pg_stat_archiver
