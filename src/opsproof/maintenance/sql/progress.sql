-- How far is the running maintenance session, and which process blocks it? At most one line of JSON.
WITH ours AS (
    SELECT pid FROM pg_stat_activity
     WHERE application_name = :'application' AND datname = current_database() AND pid <> pg_backend_pid()),
reached AS (
    SELECT pid, phase, heap_blks_scanned AS done, heap_blks_total AS total, 0 AS waits_for FROM pg_stat_progress_vacuum
    UNION ALL
    SELECT pid, phase, sample_blks_scanned, sample_blks_total, 0 FROM pg_stat_progress_analyze
    UNION ALL
    SELECT pid, phase, greatest(blocks_done, tuples_done), greatest(blocks_total, tuples_total), current_locker_pid
      FROM pg_stat_progress_create_index)
SELECT json_build_object('phase', phase, 'done', done, 'total', total, 'waits_for', (
           SELECT format('process %s (%s, %s, %s s old)', w.pid, coalesce(usename, backend_type), coalesce(state, 'unseen'),
                         round(extract(EPOCH FROM clock_timestamp() - coalesce(xact_start, query_start))))
             FROM pg_stat_activity w WHERE w.pid = waits_for))
  FROM reached JOIN ours USING (pid)
 UNION ALL
SELECT json_build_object('phase', 'waiting for a lock', 'done', 0, 'total', 0, 'waits_for', (
           SELECT string_agg(format('process %s (%s, %s)', b.pid, coalesce(usename, backend_type), state), ', ')
             FROM pg_stat_activity b WHERE b.pid = ANY (pg_blocking_pids(ours.pid))))
  FROM ours
 WHERE NOT EXISTS (SELECT FROM reached WHERE reached.pid = ours.pid) AND cardinality(pg_blocking_pids(ours.pid)) > 0
 LIMIT 1;
