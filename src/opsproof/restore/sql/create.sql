-- Creates the database `fresh` with `mark`, in the tablespace of `live`, if that exists; only superusers may connect.
-- Nobody may connect before the mark is there: a database without a mark holds no data.
SELECT format('CREATE DATABASE %I TEMPLATE template0 ALLOW_CONNECTIONS false ENCODING %L LC_COLLATE %L LC_CTYPE %L'
              ' TABLESPACE %I%s', :'fresh', :'encoding', :'collate', :'ctype',
              coalesce((SELECT spcname FROM pg_database JOIN pg_tablespace t ON t.oid = dattablespace
                         WHERE datname = :'live'), 'pg_default'),
              CASE WHEN :'provider' = 'i' THEN format(' LOCALE_PROVIDER icu ICU_LOCALE %L', :'locale')
                   || CASE WHEN :'rules' <> '' THEN format(' ICU_RULES %L', :'rules') ELSE '' END
                   WHEN :'provider' = 'b' THEN format(' LOCALE_PROVIDER builtin BUILTIN_LOCALE %L', :'locale')
                   WHEN current_setting('server_version_num')::int >= 150000 THEN ' LOCALE_PROVIDER libc'
                   ELSE '' END)
\gexec
BEGIN;
SELECT format('COMMENT ON DATABASE %I IS %L', :'fresh', 'opsproof: ' || :'mark')
\gexec
REVOKE CONNECT, TEMPORARY ON DATABASE :"fresh" FROM PUBLIC;
ALTER DATABASE :"fresh" ALLOW_CONNECTIONS true;
COMMIT;
