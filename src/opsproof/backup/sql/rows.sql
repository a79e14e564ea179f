-- How many rows has the table with the OID :of? Prints COPY and the number, then a line "end".
-- Copies a column to nowhere: a query would be planned first, and planning runs functions in index expressions.
\set QUIET off
SELECT nspname, relname,
       (SELECT attname
          FROM pg_attribute JOIN pg_type t ON t.oid = atttypid
         WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
         ORDER BY typnamespace = 'pg_catalog'::regnamespace DESC, typlen > 0 DESC, attnum LIMIT 1) AS attname
  FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
 WHERE c.oid = :of
\gset
\if :{?attname}
COPY :"nspname".:"relname" (:"attname") TO STDOUT \g /dev/null
\else
COPY :"nspname".:"relname" TO STDOUT \g /dev/null
\endif
\echo end
