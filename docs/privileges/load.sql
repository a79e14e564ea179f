-- The role that loads archives: has no rights but in the databases that opsproof makes, so that code of an archive gains
-- none. Run as a superuser; unless the server trusts the local socket, then set a password with \password opsproof_load.
-- In pg_hba.conf, before other lines, keep the role out of other databases; from PostgreSQL 16 on, for your database:
--   local "/^metachat_(drill|restoring|comparing)_" opsproof_load peer
--   host  "/^metachat_(drill|restoring|comparing)_" opsproof_load 127.0.0.1/32 scram-sha-256
--   local all opsproof_load reject
--   host  all opsproof_load all reject
SET search_path = pg_catalog, pg_temp;
DO $$
BEGIN
    IF to_regrole('opsproof_load') IS NULL THEN
        CREATE ROLE opsproof_load LOGIN;
    END IF;
END
$$;
