-- Does a database `name` exist?
SELECT EXISTS (SELECT FROM pg_database WHERE datname = :'name');
