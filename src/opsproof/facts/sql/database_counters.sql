-- How many blocks, temporary files, deadlocks and transactions did this database count?
SELECT d.blks_hit, d.blks_read, d.temp_files, d.temp_bytes, d.deadlocks, d.xact_commit, d.xact_rollback,
       extract(EPOCH FROM greatest(d.stats_reset, a.stats_reset))::float8, extract(EPOCH FROM now())::float8,
       current_setting('track_counts') = 'on'
  FROM pg_stat_database d, pg_stat_archiver a
 WHERE d.datname = current_database()
