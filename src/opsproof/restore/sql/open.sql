-- Grants PUBLIC the default privileges on the database `fresh`, which `create.sql` has revoked.
GRANT CONNECT, TEMPORARY ON DATABASE :"fresh" TO PUBLIC;
