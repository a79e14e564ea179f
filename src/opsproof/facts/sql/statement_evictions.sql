-- How often did pg_stat_statements evict statements since its last reset?
SELECT dealloc, extract(EPOCH FROM stats_reset)::float8, extract(EPOCH FROM now())::float8,
       current_setting('pg_stat_statements.track')
  FROM :"pg_stat_statements_info".pg_stat_statements_info
