-- How many rows has each table? Prints [schema, table] as JSON, then COPY and the number of rows, for each.
-- Copies a column to nowhere: a query would be planned first, and planning runs functions in index expressions.
\set QUIET off
SELECT format('SELECT %L', json_build_array(nspname, relname)),
       format('COPY %I.%I%s TO ''/dev/null''', nspname, relname,
              (SELECT format(' (%I)', attname)
                 FROM pg_attribute JOIN pg_type t ON t.oid = atttypid
                WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
                ORDER BY typnamespace = 'pg_catalog'::regnamespace DESC, typlen > 0 DESC, attnum LIMIT 1))
  FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
 WHERE relkind = 'r' AND nspname !~ '^pg_' AND nspname <> 'information_schema'
   AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e')
 ORDER BY relpages DESC, nspname COLLATE "C", relname COLLATE "C"
\gexec
