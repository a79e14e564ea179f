-- Which queries count the rows of the tables that pg_dump dumps? On a standby, unlogged tables cannot be read.
-- Each query returns the entry of pg_restore --list, and [schema, table, rows] as JSON.
SELECT format('SELECT %L, json_build_array(%L, %L, count(*)) FROM ONLY %I.%I',
              translate(format('TABLE DATA %s %s', nspname, relname), E'\n\r', '  '),
              nspname, relname, nspname, relname)
  FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
 WHERE relkind = 'r' AND nspname !~ '^pg_' AND nspname <> 'information_schema'
   AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e')
   AND NOT (pg_is_in_recovery() AND relpersistence = 'u')
 ORDER BY relpages DESC, nspname COLLATE "C", relname COLLATE "C"
