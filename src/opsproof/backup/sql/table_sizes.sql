-- How large is each table dumped by pg_dump, in bytes without indexes, by OID and in pg_dump's order?
SELECT c.oid::bigint, pg_table_size(c.oid)
  FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
 WHERE relkind = 'r' AND nspname !~ '^pg_' AND nspname <> 'information_schema'
   AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e')
 ORDER BY nspname COLLATE "C", relname COLLATE "C"
