SELECT current_setting('archive_mode'), archived_count, failed_count,
       extract(epoch FROM now() - last_archived_time)::float8, extract(epoch FROM now() - last_failed_time)::float8,
       last_failed_wal,
       (SELECT extract(epoch FROM clock_timestamp() - min(modification)) FROM pg_ls_archive_statusdir()
         WHERE name LIKE '%.ready')::float8
  FROM pg_stat_archiver
