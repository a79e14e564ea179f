-- Drops the database `name`, whoever uses it.
DROP DATABASE IF EXISTS :"name" WITH (FORCE);
