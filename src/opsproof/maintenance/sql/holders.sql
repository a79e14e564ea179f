-- Which sessions hold a lock on a relation that blocks its maintenance? One JSON list of descriptions.
SELECT coalesce(json_agg(format('process %s (%s, %s for %s s)', pid, coalesce(usename, backend_type),
                                coalesce(state, 'unseen'),
                                round(extract(EPOCH FROM clock_timestamp() - coalesce(xact_start, query_start))))), '[]')
  FROM (SELECT DISTINCT pid FROM pg_locks
         WHERE database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND granted
           AND pid <> pg_backend_pid()
           AND relation IN (
               SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
                WHERE nspname = :'schema' AND relname = :'relation'
               UNION ALL
               SELECT indrelid FROM pg_index JOIN pg_class c ON c.oid = indexrelid
                 JOIN pg_namespace n ON n.oid = relnamespace
                WHERE nspname = :'schema' AND relname = :'relation')
           AND mode IN ('ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock',
                        'AccessExclusiveLock')) held
  JOIN pg_stat_activity USING (pid);
