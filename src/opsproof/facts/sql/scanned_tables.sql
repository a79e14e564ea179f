SELECT space.nspname, of.relname, of.reltuples::bigint, scans.sequential, scans.by_index
  FROM pg_class of
  JOIN pg_namespace space ON space.oid = of.relnamespace
 CROSS JOIN LATERAL (
       SELECT (pg_stat_get_tuples_returned(of.oid) / of.reltuples)::bigint AS sequential,
              coalesce((SELECT sum(pg_stat_get_numscans(indexrelid)) FROM pg_index WHERE indrelid = of.oid), 0)::bigint
                AS by_index) AS scans
 CROSS JOIN (SELECT extract(epoch FROM now() - greatest(d.stats_reset, a.stats_reset)) / 86400 AS days
               FROM pg_stat_database d, pg_stat_archiver a WHERE d.datname = current_database()) AS counted
 WHERE of.relkind IN ('r', 'm') AND of.reltuples >= 10000 AND of.oid >= 16384
   AND scans.sequential > 10 * greatest(counted.days, 1)
 ORDER BY scans.sequential::float8 / (scans.sequential + scans.by_index) DESC, 3 DESC
 LIMIT 100
