-- Prepares the new database for a load by `loader`: makes schemas and extensions, and gives `loader` the right to create.
-- Nothing of the archive exists yet, so no code of the archive can run. The rows come from the archive's table of contents.
-- Prints a digest of the role's password: code that `loader` runs can change the password and settings of `loader`.
SET client_min_messages = 'warning';
CREATE TABLE pg_temp.entry (number int, catalog text, schema text, name text, owner text, said text);
COPY pg_temp.entry (number, catalog, schema, name, owner, said) FROM STDIN;
SELECT format('CREATE SCHEMA IF NOT EXISTS %I', name)
  FROM pg_temp.entry WHERE catalog = 'pg_namespace' AND name <> 'public' ORDER BY number
\gexec
SELECT format('CREATE EXTENSION IF NOT EXISTS %I WITH SCHEMA %I', name, said)
  FROM pg_temp.entry WHERE catalog = 'pg_extension' ORDER BY number
\gexec
SELECT format('GRANT USAGE, CREATE ON SCHEMA %I TO %I', nspname, :'loader')
  FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
\gexec
SELECT format('GRANT CONNECT, CREATE, TEMPORARY ON DATABASE %I TO %I', current_database(), :'loader')
\gexec
ALTER ROLE :"loader" RESET ALL;
SELECT encode(sha256(convert_to(coalesce(rolpassword, ''), 'UTF8')), 'hex') FROM pg_authid WHERE rolname = :'loader';
