-- Ends what sessions of ours still do, those that lost their client too, and waits until they are gone.
SET search_path = pg_catalog;
\o /dev/null
SELECT pg_cancel_backend(pid) FROM pg_stat_activity
 WHERE application_name = :'application' AND datname = current_database() AND pid <> pg_backend_pid();
SELECT pg_sleep(0.2);
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
 WHERE application_name = :'application' AND datname = current_database() AND pid <> pg_backend_pid();
