-- Is the session unchanged? If so, sends `signal` (cancel, terminate or none). One JSON boolean.
SELECT coalesce(json_agg(CASE :'signal' WHEN 'cancel' THEN pg_cancel_backend(pid)
                                        WHEN 'terminate' THEN pg_terminate_backend(pid) ELSE true END) -> 0, 'false')
  FROM pg_stat_activity
 WHERE pid = :pid AND backend_start = :'born'::timestamptz AND state_change = :'changed'::timestamptz AND state = :'state';
