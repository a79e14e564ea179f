-- Gives the index called `replacement` the name of the one with the number `oid`, and that one the name `retired`.
-- Renaming an index keeps nobody from reading or writing its table.
BEGIN;
SELECT count(*) = 1 AS there FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = relnamespace
 WHERE c.oid = :oid AND nspname = :'schema' AND relname = :'name'
\gset
\if :there
ALTER INDEX :"schema".:"name" RENAME TO :"retired";
ALTER INDEX :"schema".:"replacement" RENAME TO :"name";
SELECT pg_catalog.format('COMMENT ON INDEX %I.%I IS %L', :'schema', :'name', said)
  FROM pg_catalog.obj_description(:oid, 'pg_class') said WHERE said IS NOT NULL
\gexec
COMMIT;
\else
DO $$ BEGIN RAISE EXCEPTION 'the index is another one meanwhile'; END $$;
\endif
