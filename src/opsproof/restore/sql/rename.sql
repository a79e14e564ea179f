-- Renames the new database `incoming` to `name`, and removes the comment. An existing database `name` is never touched.
SET statement_timeout = '60s';
\o /dev/null
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = :'incoming';
\o
BEGIN;
COMMENT ON DATABASE :"incoming" IS NULL;
ALTER DATABASE :"incoming" RENAME TO :"name";
COMMIT;
