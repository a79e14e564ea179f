-- Which tables does pg_dump dump? On a standby, unlogged tables cannot be read.
-- Returns the OID, the entry of pg_restore --list, and [schema, table] as JSON, the largest table first.
SELECT c.oid, translate(format('TABLE DATA %s %s', nspname, relname), E'\n\r', '  '), json_build_array(nspname, relname)
  FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
 WHERE relkind = 'r' AND nspname !~ '^pg_' AND nspname <> 'information_schema'
   AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e')
   AND NOT (pg_is_in_recovery() AND relpersistence = 'u')
 ORDER BY relpages DESC, nspname COLLATE "C", relname COLLATE "C"
