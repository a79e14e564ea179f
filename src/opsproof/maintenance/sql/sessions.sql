-- Which sessions of this database have been idle, idle in transaction or active for too long?
--
-- The limits :idle, :in_transaction and :active are in seconds. One line of JSON. Query texts come without literals;
-- if :tellable does not match the statement, whose values can be words, or if literals cannot be told apart, only the
-- first word is shown.
WITH old AS (
    SELECT a.*, extract(EPOCH FROM clock_timestamp() - state_change) AS age_s
      FROM pg_stat_activity a
     WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
       AND clock_timestamp() - state_change > make_interval(secs => CASE
               WHEN state = 'idle' THEN :idle
               WHEN state LIKE 'idle in transaction%' THEN :in_transaction
               WHEN state IN ('active', 'fastpath function call') THEN :active END)),
words AS (
    SELECT pid, trim(string_agg(CASE WHEN word ~ '^(''|\$\D|[eE]''|\d)' THEN '?'
                                                WHEN word ~ '^(--|/\*|\s)' THEN ' ' ELSE word END, '' ORDER BY ord)) AS said
      FROM old, regexp_matches(query, $re$[eE]?'(?:[^'\\]|'')*\\.*|[eE]?'(?:[^'\\]|'')*(?:'|$)|"[^"]*(?:"|$)|$re$
           || $re$--[^\n]*|/\*(?:[^*]|\*+[^*/])*\**/?|\$\d+|\$(?:[^\d\s$][^\s$]*)?\$.*|[A-Za-z_][\w$]*|\d[\w.]*|\s+|.$re$, 'g')
           WITH ORDINALITY matched (found, ord), LATERAL (SELECT found[1] AS word) taken
     GROUP BY pid)
SELECT coalesce(json_agg(json_build_object(
           'pid', pid, 'born', backend_start::text, 'user', usename, 'application', application_name,
           'state', state, 'changed', state_change::text, 'age_s', age_s,
           'query', left(CASE WHEN said ~* :'tellable' THEN said ELSE substring(said FROM '^\W*(\w+)') END, 160),
           'spared', CASE
               WHEN application_name LIKE 'opsproof%' THEN 'it is an opsproof session'
               WHEN application_name ~* '^(pg_dump|pg_restore|pg_basebackup|pg_receivewal|pg_recvlogical|pgbackrest|barman|wal-g)'
                    OR query ~* 'pg_(start_backup|backup_start)\s*\(' OR pid IN (SELECT pid FROM pg_stat_progress_basebackup)
                    OR state = 'active' AND said ~* '^copy\M.*\mto\s+stdout\M'
               THEN 'it belongs to a backup'
               WHEN pid IN (SELECT active_pid FROM pg_replication_slots) THEN 'it holds a replication slot'
               WHEN pid IN (SELECT pid FROM pg_stat_progress_vacuum UNION ALL SELECT pid FROM pg_stat_progress_analyze
                            UNION ALL SELECT pid FROM pg_stat_progress_create_index
                            UNION ALL SELECT pid FROM pg_stat_progress_cluster)
                    OR state = 'active' AND said ~* '^((vacuum|analyze|reindex|cluster|refresh|(create\s+(unique\s+)?|drop\s+)index)\M'
                                                    '|alter\s+table\M.*\mdetach\s+partition\M)'
               THEN 'it runs maintenance'
               WHEN state = 'idle' AND said ~* '^listen\M' THEN 'it listens for notifications'
           END,
           'may', CASE WHEN rolsuper THEN (SELECT own.rolsuper FROM pg_roles own WHERE own.rolname = current_user)
                   ELSE pg_has_role(usesysid, 'USAGE') OR pg_has_role('pg_signal_backend', 'USAGE') END
       ) ORDER BY age_s DESC), '[]')
  FROM old LEFT JOIN words USING (pid) LEFT JOIN pg_roles r ON r.oid = usesysid;
