-- The role for dumps: reads everything, changes nothing. Run as a superuser; unless the server trusts the local socket,
-- then set a password with \password opsproof_backup.
SET search_path = pg_catalog, pg_temp;
CREATE ROLE opsproof_backup LOGIN BYPASSRLS IN ROLE pg_read_all_data;
ALTER ROLE opsproof_backup SET default_transaction_read_only = on;
