-- When did the cumulative statistics begin, and which transaction ID is next?
SELECT extract(EPOCH FROM greatest(d.stats_reset, a.stats_reset))::float8, extract(EPOCH FROM now())::float8,
       pg_snapshot_xmax(pg_current_snapshot())::text::bigint, current_setting('track_counts') = 'on'
  FROM pg_stat_database d, pg_stat_archiver a
 WHERE d.datname = current_database()
