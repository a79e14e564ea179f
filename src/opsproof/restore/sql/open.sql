-- Gives the database `fresh` the privileges that a new one has; `create.sql` took them away while it is being made.
GRANT CONNECT, TEMPORARY ON DATABASE :"fresh" TO PUBLIC;
