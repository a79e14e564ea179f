-- Creates the database `fresh` in the tablespace of `live`, if that exists; only owner and superusers may connect.
SELECT format('CREATE DATABASE %I TEMPLATE template0 OWNER %I ENCODING %L LC_COLLATE %L LC_CTYPE %L TABLESPACE %I%s',
              :'fresh', :'owner', :'encoding', :'collate', :'ctype',
              coalesce((SELECT spcname FROM pg_database JOIN pg_tablespace t ON t.oid = dattablespace
                         WHERE datname = :'live'), 'pg_default'),
              CASE WHEN :'provider' = 'i' THEN format(' LOCALE_PROVIDER icu ICU_LOCALE %L', :'locale')
                   || CASE WHEN :'rules' <> '' THEN format(' ICU_RULES %L', :'rules') ELSE '' END
                   WHEN :'provider' = 'b' THEN format(' LOCALE_PROVIDER builtin BUILTIN_LOCALE %L', :'locale')
                   WHEN current_setting('server_version_num')::int >= 150000 THEN ' LOCALE_PROVIDER libc'
                   ELSE '' END)
\gexec
REVOKE CONNECT, TEMPORARY ON DATABASE :"fresh" FROM PUBLIC;
