-- Which client sessions have an open transaction, for how long, and in which state?
SELECT s.pid, s.usename, s.application_name, s.state,
       extract(EPOCH FROM now_is.moment - s.xact_start)::float8,
       extract(EPOCH FROM now_is.moment - s.state_change)::float8,
       s.wait_event_type = 'Lock',
       s.application_name IN ('pg_dump', 'pg_restore', 'pg_basebackup')
         OR s.state = 'active' AND (s.usename ~ '^opsproof_' OR s.query ~* '^\s*(vacuum|analyze|reindex|create\s+(unique\s+)?index|cluster|refresh)\y'),
       :words,
       pg_has_role(current_user, 'pg_read_all_stats', 'USAGE'), current_setting('track_activities') = 'on'
  FROM (SELECT clock_timestamp() AS moment) AS now_is
  LEFT JOIN pg_stat_activity s
    ON s.datname = current_database() AND s.backend_type = 'client backend' AND s.pid <> pg_backend_pid()
   AND s.xact_start IS NOT NULL AND s.application_name <> 'opsproof'
 ORDER BY s.xact_start
 LIMIT 500
