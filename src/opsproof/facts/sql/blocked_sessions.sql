WITH waiting AS MATERIALIZED (
    SELECT pid, pg_blocking_pids(pid) AS blockers
      FROM pg_stat_activity
     WHERE wait_event_type = 'Lock' AND datname = current_database()
)
SELECT role.sees, s.pid, coalesce(w.blockers, '{}'), s.usename, s.application_name, s.state,
       extract(epoch FROM clock_timestamp()
               - coalesce((SELECT min(waitstart) FROM pg_locks l WHERE l.pid = s.pid AND NOT l.granted), s.query_start))::float8,
       extract(epoch FROM clock_timestamp() - s.xact_start)::float8,
       -- In utilities a word can be a secret: SET, ALTER ROLE.
       CASE WHEN s.query !~ '\\|\$\D'
                 AND words ~* '^(\W*((select|insert|update|delete|merge|with|values|copy|vacuum|analyze|reindex|cluster|refresh|lock)\y'
                              '|((create\s+(unique\s+)?|drop\s+|alter\s+)index|alter\s+table|listen|begin)\y)[^\x3b]*(\x3b|$))+\s*$'
            THEN left(btrim(words), 100) ELSE substring(words FROM '^\W*(\w+)') END
  FROM (SELECT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS sees) AS role
  LEFT JOIN pg_stat_activity s
    ON s.pid IN (SELECT pid FROM waiting UNION SELECT unnest(blockers) FROM waiting)
 CROSS JOIN LATERAL (
       SELECT regexp_replace(s.query, '("[^"]*")|''([^'']|'''')*(''|$)|--[^\n]*|/\*.*?(\*/|$)|\m\d[\d.]*\M', '\1', 'g')) AS said (words)
  LEFT JOIN waiting w ON w.pid = s.pid
 LIMIT 500
