-- Drops the database `name`, also a template, and ends sessions in it; `inside` and `outside` are connection strings.
-- A database with subscriptions cannot be dropped: those of a copy are dropped first, if they are disabled as restored.
-- The publisher keeps the slot, which the live database uses.
SELECT :'name' ~ '_(drill|restoring)_\d{8}T\d{6}Z$' AND EXISTS (
           SELECT FROM pg_subscription JOIN pg_database d ON d.oid = subdbid
            WHERE datname = :'name' AND datallowconn AND NOT subenabled) AS subscribed
\gset
\if :subscribed
\connect -reuse-previous=off :"inside"
-- DROP SUBSCRIPTION would fire event triggers, ALTER EVENT TRIGGER fires none.
SELECT format('ALTER EVENT TRIGGER %I DISABLE', evtname) FROM pg_event_trigger
\gexec
SELECT format('ALTER SUBSCRIPTION %I SET (slot_name = NONE)', subname), format('DROP SUBSCRIPTION %I', subname)
  FROM pg_subscription s JOIN pg_database d ON d.oid = subdbid
 WHERE datname = current_database() AND NOT subenabled
\gexec
\connect -reuse-previous=off :"outside"
\endif
SELECT format('ALTER DATABASE %I IS_TEMPLATE false', datname)
  FROM pg_database WHERE datname = :'name' AND datistemplate
\gexec
DROP DATABASE IF EXISTS :"name" WITH (FORCE);
