SELECT (SELECT extversion FROM pg_extension WHERE extname = 'pg_stat_statements'),
       current_setting('pg_stat_statements.max', true)
