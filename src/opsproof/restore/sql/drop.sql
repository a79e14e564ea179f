-- Drops the database `name`, and ends sessions in that database.
DROP DATABASE IF EXISTS :"name" WITH (FORCE);
