-- Renames the database `live`, if present, to `aside`, and the database `incoming` to `live`, in one transaction.
-- Blocks new connections meanwhile, and terminates existing sessions. The comment of `live` is copied to the new
-- `live`; the comment of `aside` gets `mark` as first line.
SET statement_timeout = '60s';
SELECT EXISTS (SELECT FROM pg_database WHERE datname = :'live') AS taken \gset

SELECT format('ALTER DATABASE %I ALLOW_CONNECTIONS false', datname)
  FROM pg_database WHERE datname IN (:'live', :'incoming')
\gexec
\o /dev/null
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname IN (:'live', :'incoming');
\o
BEGIN;
\if :taken
SELECT format('COMMENT ON DATABASE %I IS %L', :'incoming', nullif(said, '')),
       format('COMMENT ON DATABASE %I IS %L', :'live', concat_ws(E'\n', 'opsproof: ' || :'mark', nullif(said, '')))
  FROM (SELECT regexp_replace(coalesce(shobj_description(oid, 'pg_database'), ''), '^opsproof: [^\n]*\n?', '') AS said
          FROM pg_database WHERE datname = :'live') comment
\gexec
ALTER DATABASE :"live" RENAME TO :"aside";
ALTER DATABASE :"aside" ALLOW_CONNECTIONS true;
\else
COMMENT ON DATABASE :"incoming" IS NULL;
\endif
ALTER DATABASE :"incoming" RENAME TO :"live";
ALTER DATABASE :"live" ALLOW_CONNECTIONS true;
COMMIT;
