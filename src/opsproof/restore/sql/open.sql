-- Gives the database `fresh` to `owner`, and PUBLIC the default privileges, which `create.sql` has revoked.
GRANT CONNECT, TEMPORARY ON DATABASE :"fresh" TO PUBLIC;
ALTER DATABASE :"fresh" OWNER TO :"owner";
