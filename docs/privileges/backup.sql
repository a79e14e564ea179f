-- The role for dumps: reads everything, changes nothing. Run as a superuser; unless the server trusts the local socket,
-- then set a password with \password opsproof_backup.
SET search_path = pg_catalog, pg_temp;
DO $$
BEGIN
    IF to_regrole('opsproof_backup') IS NULL THEN
        CREATE ROLE opsproof_backup LOGIN BYPASSRLS;
    END IF;
END
$$;
GRANT pg_read_all_data TO opsproof_backup;
ALTER ROLE opsproof_backup SET default_transaction_read_only = on;
