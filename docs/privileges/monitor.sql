-- The role that opsproof reads a database with: it sees statistics and no data. Run as a superuser, then
-- give it a password with \password opsproof_monitor, so that the password is in no log and no history.
CREATE ROLE opsproof_monitor LOGIN IN ROLE pg_monitor;
ALTER ROLE opsproof_monitor SET default_transaction_read_only = on;
ALTER ROLE opsproof_monitor SET statement_timeout = '10s';
ALTER ROLE opsproof_monitor SET lock_timeout = '1s';
