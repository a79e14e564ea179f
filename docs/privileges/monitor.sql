-- The role for checks: sees statistics and no data. Run as a superuser, then set a password with
-- \password opsproof_monitor, to keep the password out of logs and histories.
SET search_path = pg_catalog, pg_temp;
DO $$
BEGIN
    IF to_regrole('opsproof_monitor') IS NULL THEN
        CREATE ROLE opsproof_monitor LOGIN;
    END IF;
END
$$;
GRANT pg_monitor TO opsproof_monitor;
ALTER ROLE opsproof_monitor SET default_transaction_read_only = on;
ALTER ROLE opsproof_monitor SET statement_timeout = '10s';
ALTER ROLE opsproof_monitor SET lock_timeout = '1s';
-- If pg_stat_statements or pgstattuple are in a separate schema: GRANT USAGE ON SCHEMA extensions TO opsproof_monitor.
-- In each database: average widths of columns, for estimates of bloat, and no values; the counters of present and
-- future sequences in all schemas. Run the last line as the role that creates the tables.
GRANT SELECT (starelid, staattnum, stainherit, stanullfrac, stawidth, stadistinct) ON pg_statistic TO opsproof_monitor;
DO $$
DECLARE
    space text;
BEGIN
    FOR space IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' LOOP
        EXECUTE format('GRANT SELECT ON ALL SEQUENCES IN SCHEMA %I TO opsproof_monitor', space);
    END LOOP;
END
$$;
ALTER DEFAULT PRIVILEGES GRANT SELECT ON SEQUENCES TO opsproof_monitor;
