-- How large is each table with its indexes, and how many rows were inserted, updated and deleted?
-- No size of an exclusively locked table: the query would wait.
SELECT nspname || '.' || relname,
       CASE WHEN c.oid NOT IN (SELECT relation FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation IS NOT NULL)
            THEN pg_total_relation_size(c.oid) END,
       pg_stat_get_tuples_inserted(c.oid), pg_stat_get_tuples_updated(c.oid), pg_stat_get_tuples_deleted(c.oid),
       extract(EPOCH FROM greatest(d.stats_reset, a.stats_reset))::float8, extract(EPOCH FROM now())::float8
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = relnamespace
  JOIN pg_stat_database d ON datname = current_database()
 CROSS JOIN pg_stat_archiver a
 WHERE relkind IN ('r', 'm') AND c.oid >= 16384 AND relpersistence <> 't'
 ORDER BY 2 DESC NULLS LAST, 1
