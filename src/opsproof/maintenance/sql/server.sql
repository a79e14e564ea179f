-- Which version, role privileges, settings and running maintenance sessions does the server have? One line of JSON.
SELECT json_build_object(
    'version_num', current_setting('server_version_num')::int,
    'superuser', (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
    'sees_all', pg_has_role(current_user, 'pg_read_all_stats', 'USAGE'),
    'standby', pg_is_in_recovery(),
    'folder', CASE WHEN pg_has_role(current_user, 'pg_read_all_settings', 'USAGE')
                   THEN current_setting('data_directory') END,
    'memory_bytes', pg_size_bytes(current_setting('maintenance_work_mem')),
    'workers', current_setting('max_parallel_maintenance_workers')::int,
    'silent', (SELECT count(*) FROM pg_stat_activity
                WHERE datname = current_database() AND backend_type = 'client backend' AND state = 'disabled'),
    'event_triggers', coalesce((
        SELECT json_agg(json_build_array(evtname, evtenabled, CASE WHEN NOT rolsuper THEN rolname ELSE '' END)
                        ORDER BY evtname)
          FROM pg_event_trigger JOIN pg_proc p ON p.oid = evtfoid JOIN pg_roles r ON r.oid = proowner
         WHERE evtevent <> 'login' AND evtenabled <> 'D'), '[]'),
    'at_work', coalesce((
        SELECT json_agg(json_build_object('pid', pid, 'command', (regexp_match(query, '\w+(?: \w+)?'))[1],
                                          'age_s', extract(EPOCH FROM clock_timestamp() - query_start)))
          FROM pg_stat_activity
         WHERE application_name = :'application' AND datname = current_database() AND pid <> pg_backend_pid()
           AND backend_type = 'client backend' AND state <> 'idle'), '[]'));
