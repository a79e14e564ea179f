-- What are the method, size, build parameters and statistics of a vector index ($1 schema, $2 table, $3 index)?
SELECT space.nspname || '.' || name.relname, method.amname, i.indisvalid AND i.indisready AND i.indislive,
       pg_relation_filenode(i.indexrelid)::bigint,
       (SELECT option_value::integer FROM pg_options_to_table(name.reloptions) WHERE option_name = 'lists'),
       pg_relation_size(i.indexrelid), key.atttypmod, format_type(key.atttypid, NULL),
       greatest(of.reltuples, pg_stat_get_live_tuples(of.oid))::bigint, pg_stat_get_tuples_inserted(of.oid),
       extract(EPOCH FROM greatest(d.stats_reset, a.stats_reset))::float8, extract(EPOCH FROM now())::float8,
       pg_size_bytes(current_setting('maintenance_work_mem')), extension.extversion,
       (SELECT default_version FROM pg_available_extensions WHERE name = 'vector'), current_setting('track_counts') = 'on'
  FROM pg_class name
  JOIN pg_namespace space ON space.oid = name.relnamespace AND space.nspname = $1
  JOIN pg_index i ON i.indexrelid = name.oid
  JOIN pg_class of ON of.oid = i.indrelid AND of.relname = $2
  JOIN pg_am method ON method.oid = name.relam
  JOIN pg_attribute key ON key.attrelid = i.indexrelid AND key.attnum = 1
  JOIN pg_extension extension ON extension.extname = 'vector'
  JOIN pg_stat_database d ON d.datname = current_database()
 CROSS JOIN pg_stat_archiver a
 WHERE name.relname = $3
