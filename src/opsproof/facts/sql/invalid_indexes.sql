-- Which indexes are invalid although no session is building or dropping them?
SELECT space.nspname, index.relname, of.relname, index.relname ~ '_cc(new|old)\d*$',
       index.relkind = 'I', pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')
  FROM pg_index i
  JOIN pg_class index ON index.oid = i.indexrelid
  JOIN pg_class of ON of.oid = i.indrelid
  JOIN pg_namespace space ON space.oid = index.relnamespace
 WHERE NOT (i.indisvalid AND i.indisready AND i.indislive)
   AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index build
                    WHERE build.datname = current_database() AND build.relid = i.indrelid)
   AND NOT EXISTS (SELECT FROM pg_locks lock
                    WHERE lock.relation = i.indexrelid AND lock.mode = 'ShareUpdateExclusiveLock'
                      AND lock.database = (SELECT oid FROM pg_database WHERE datname = current_database()))
 ORDER BY 1, 2
 LIMIT 100
