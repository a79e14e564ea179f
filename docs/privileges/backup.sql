-- The role that opsproof dumps a database with: it reads everything, and changes nothing. Run as a superuser; where the
-- server is not reached over a socket that trusts, then give it a password with \password opsproof_backup.
CREATE ROLE opsproof_backup LOGIN BYPASSRLS IN ROLE pg_read_all_data;
ALTER ROLE opsproof_backup SET default_transaction_read_only = on;
