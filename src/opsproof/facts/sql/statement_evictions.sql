SELECT dealloc, extract(epoch FROM stats_reset)::float8, extract(epoch FROM now())::float8,
       current_setting('pg_stat_statements.track')
  FROM pg_stat_statements_info
