-- The role for maintenance: has the monitor's rights, ends sessions, and vacuums and analyzes all tables. Run as a
-- superuser, after monitor.sql; then set a password with \password opsproof_maintain.
SET search_path = pg_catalog, pg_temp;
DO $$
BEGIN
    IF to_regrole('opsproof_maintain') IS NULL THEN
        CREATE ROLE opsproof_maintain LOGIN;
    END IF;
    GRANT opsproof_monitor, pg_signal_backend TO opsproof_maintain;
    IF current_setting('server_version_num')::int >= 170000 THEN
        GRANT pg_maintain TO opsproof_maintain;
    END IF;
END
$$;
-- Before PostgreSQL 17, and for partitions and index rebuilds, the role must be a member of the tables' owner:
-- GRANT metachat TO opsproof_maintain. If the owner is a superuser, the maintenance role gains superuser rights.
