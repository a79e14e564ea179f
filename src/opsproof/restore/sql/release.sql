-- Ends the rights and sessions of `loader` in the database `fresh`, and fails if the password has changed since `digest`.
REVOKE ALL ON DATABASE :"fresh" FROM :"loader";
\o /dev/null
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = :'fresh' AND usename = :'loader';
\o
ALTER ROLE :"loader" RESET ALL;
ALTER ROLE :"loader" IN DATABASE :"fresh" RESET ALL;
SELECT encode(sha256(convert_to(coalesce(rolpassword, ''), 'UTF8')), 'hex') <> :'digest' AS changed
  FROM pg_authid WHERE rolname = :'loader' \gset
\if :changed
ALTER ROLE :"loader" PASSWORD NULL;
DO $$
BEGIN
    RAISE EXCEPTION 'loaded code changed the password of load_user, which is removed: inspect the archive';
END
$$;
\endif
