-- Is pg_stat_statements installed in this database and loaded in the server?
SELECT (SELECT extversion FROM pg_extension WHERE extname = 'pg_stat_statements'),
       current_setting('pg_stat_statements.max', true)
