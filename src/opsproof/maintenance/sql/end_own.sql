-- Ends all maintenance sessions in this database, also those without a client, and waits for their end.
\o /dev/null
SELECT pg_cancel_backend(pid) FROM pg_stat_activity
 WHERE application_name = :'application' AND datname = current_database() AND pid <> pg_backend_pid();
SELECT pg_sleep(0.2);
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
 WHERE application_name = :'application' AND datname = current_database() AND pid <> pg_backend_pid();
