-- Which sessions wait for a lock, since when, and which sessions block them?
WITH waiting AS MATERIALIZED (
    SELECT pid, pg_blocking_pids(pid) AS blockers
      FROM pg_stat_activity
     WHERE wait_event_type = 'Lock' AND datname = current_database()
)
SELECT role.sees, s.pid, coalesce(w.blockers, '{}'), s.usename, s.application_name, s.state,
       extract(EPOCH FROM clock_timestamp()
               - coalesce((SELECT min(waitstart) FROM pg_locks l WHERE l.pid = s.pid AND NOT l.granted), s.query_start))::float8,
       extract(EPOCH FROM clock_timestamp() - s.xact_start)::float8,
       :words
  FROM (SELECT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS sees) AS role
  LEFT JOIN pg_stat_activity s
    ON s.pid IN (SELECT pid FROM waiting UNION SELECT unnest(blockers) FROM waiting)
  LEFT JOIN waiting w ON w.pid = s.pid
 LIMIT 500
