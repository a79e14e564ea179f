-- Lets the database `name` take connections, if there is one.
SELECT format('ALTER DATABASE %I ALLOW_CONNECTIONS true', datname)
  FROM pg_database WHERE datname = :'name' AND NOT datallowconn
\gexec
