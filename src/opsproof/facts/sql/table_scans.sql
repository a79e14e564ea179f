-- How often are large tables read by sequential scans and by index scans?
SELECT space.nspname || '.' || of.relname, of.reltuples::bigint, pg_stat_get_tuples_returned(of.oid),
       coalesce((SELECT sum(pg_stat_get_numscans(indexrelid)) FROM pg_index WHERE indrelid = of.oid), 0)::bigint,
       counted.since, extract(EPOCH FROM now())::float8, current_setting('track_counts') = 'on'
  FROM pg_class of
  JOIN pg_namespace space ON space.oid = of.relnamespace
 CROSS JOIN (SELECT extract(EPOCH FROM greatest(d.stats_reset, a.stats_reset))::float8 AS since
               FROM pg_stat_database d, pg_stat_archiver a WHERE d.datname = current_database()) AS counted
 WHERE of.relkind IN ('r', 'm') AND of.reltuples >= 10000 AND of.oid >= 16384
 ORDER BY pg_stat_get_tuples_returned(of.oid) / of.reltuples DESC
 LIMIT 200
