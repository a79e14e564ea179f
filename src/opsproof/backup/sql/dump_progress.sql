-- Which tables pg_dump reads now, and how far it is in each, as a share of 1: by rows, where it is known how many
-- there are, else by bytes. The sessions are those called as this one, without its last word.
SELECT relid::bigint, least(1.0, CASE WHEN reltuples > 0 THEN tuples_processed / reltuples
                                      ELSE bytes_processed / greatest(relpages, 1) / current_setting('block_size')::float8
                                 END)
  FROM pg_stat_progress_copy p JOIN pg_stat_activity a USING (pid) JOIN pg_class c ON c.oid = relid
 WHERE a.datname = current_database() AND application_name || '_watch' = current_setting('application_name')
