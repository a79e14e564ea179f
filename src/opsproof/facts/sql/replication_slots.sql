-- Which permanent replication slots exist, and how much WAL does each retain?
SELECT s.slot_name, s.slot_type, s.active, s.wal_status,
       pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END,
                       s.restart_lsn)::float8
  FROM pg_replication_slots s
 WHERE NOT s.temporary AND (s.database IS NULL OR s.database = current_database())
   AND coalesce(to_jsonb(s) ->> 'synced', 'false') = 'false'
 ORDER BY s.active, 5 DESC
 LIMIT 100
