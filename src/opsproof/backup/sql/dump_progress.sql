-- Which tables does pg_dump read now, and which share (0 to 1) of each has been read?
-- By rows if reltuples is known, else by bytes. The application_name of pg_dump is this query's without "_watch".
SELECT relid::bigint, least(1.0, CASE WHEN reltuples > 0 THEN tuples_processed / reltuples
                                      ELSE bytes_processed / greatest(relpages, 1) / current_setting('block_size')::float8
                                 END)
  FROM pg_stat_progress_copy p JOIN pg_stat_activity a USING (pid) JOIN pg_class c ON c.oid = relid
 WHERE a.datname = current_database() AND application_name || '_watch' = current_setting('application_name')
