-- How long do vacuums take, by table?
WITH counted AS (
    SELECT oid FROM pg_class
     WHERE relkind IN ('r', 'm') AND pg_stat_get_vacuum_count(oid) + pg_stat_get_autovacuum_count(oid) > 0
     ORDER BY relpages DESC
     LIMIT 20
), timed AS (
    SELECT counted.oid, total.runs, total.took_ms
      FROM (SELECT NULL::float8 AS total_vacuum_time, NULL::float8 AS total_autovacuum_time) AS before_18
     CROSS JOIN counted
     CROSS JOIN LATERAL (SELECT vacuum_count + autovacuum_count AS runs,
                                total_vacuum_time + total_autovacuum_time AS took_ms
                           FROM pg_stat_all_tables WHERE relid = counted.oid) AS total
), running AS (
    SELECT p.relid AS oid, max(extract(EPOCH FROM now() - a.xact_start))::float8 AS seconds
      FROM pg_stat_progress_vacuum p JOIN pg_stat_activity a USING (pid)
     WHERE p.datname = current_database()
     GROUP BY p.relid
)
SELECT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE'), nspname || '.' || relname, coalesce(runs, 0), took_ms,
       running.seconds, since.reset, extract(EPOCH FROM now())::float8, current_setting('track_counts') = 'on'
  FROM (SELECT extract(EPOCH FROM greatest(d.stats_reset, a.stats_reset))::float8 AS reset
          FROM pg_stat_database d, pg_stat_archiver a WHERE d.datname = current_database()) AS since
  LEFT JOIN (timed FULL JOIN running USING (oid) JOIN pg_class USING (oid) JOIN pg_namespace n ON n.oid = relnamespace)
    ON TRUE
