-- The role that opsproof maintains a database with: it sees what the monitor sees, ends sessions, and vacuums and
-- analyzes whatever there is. Run as a superuser, after monitor.sql; then give it a password with \password
-- opsproof_maintain.
CREATE ROLE opsproof_maintain LOGIN IN ROLE opsproof_monitor;
GRANT pg_signal_backend TO opsproof_maintain;
DO $$
BEGIN
    IF current_setting('server_version_num')::int >= 170000 THEN
        GRANT pg_maintain TO opsproof_maintain;
    END IF;
END
$$;
-- Before PostgreSQL 17, and to make partitions and to rebuild or replace indexes, it must belong to who owns the tables:
-- GRANT metachat TO opsproof_maintain. Where the owner is a superuser, so is then whoever maintains.
