-- The role that opsproof reads a database with: it sees statistics and no data. Run as a superuser, then
-- give it a password with \password opsproof_monitor, so that the password is in no log and no history.
CREATE ROLE opsproof_monitor LOGIN IN ROLE pg_monitor;
ALTER ROLE opsproof_monitor SET default_transaction_read_only = on;
ALTER ROLE opsproof_monitor SET statement_timeout = '10s';
ALTER ROLE opsproof_monitor SET lock_timeout = '1s';
-- Where pg_stat_statements or pgstattuple lie in a schema of their own, name it:
-- ALTER ROLE opsproof_monitor SET search_path = "$user", public, extensions;
-- In each database: how wide rows are by column, which estimates of bloat go by, and no value of any; how far
-- sequences have been counted, those to come among them. Run the last line as who makes the tables.
GRANT SELECT (starelid, staattnum, stainherit, stanullfrac, stawidth, stadistinct) ON pg_statistic TO opsproof_monitor;
GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO opsproof_monitor;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON SEQUENCES TO opsproof_monitor;
