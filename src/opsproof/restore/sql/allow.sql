-- Allows connections to the database `name`, if the database exists.
SELECT format('ALTER DATABASE %I ALLOW_CONNECTIONS true', datname)
  FROM pg_database WHERE datname = :'name' AND NOT datallowconn
\gexec
