-- Swaps the names of an index and its replacement, without blocking reads or writes of the table.
--
-- The index `other` gets the name of the index with OID `oid`, which is renamed to `prefix` plus the OID of `other`.
BEGIN;
SELECT count(*) = 1 AS there, min(:'prefix' || other.oid) AS away
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_class other ON other.relnamespace = n.oid AND other.relname = :'other'
 WHERE c.oid = :oid AND nspname = :'schema' AND c.relname = :'name'
\gset
\if :there
ALTER INDEX :"schema".:"name" RENAME TO :"away";
ALTER INDEX :"schema".:"other" RENAME TO :"name";
SELECT pg_catalog.format('COMMENT ON INDEX %I.%I IS %L', :'schema', :'name', said)
  FROM pg_catalog.obj_description(:oid, 'pg_class') said WHERE said IS NOT NULL
\gexec
COMMIT;
\else
DO $$ BEGIN RAISE EXCEPTION 'the index was replaced meanwhile'; END $$;
\endif
