SELECT s.application_name, s.state, position.behind::float8,
       CASE WHEN position.behind > 0
            THEN greatest(extract(epoch FROM s.replay_lag), extract(epoch FROM clock_timestamp() - s.reply_time)) ELSE 0
       END::float8
  FROM pg_stat_replication s
 CROSS JOIN LATERAL (
       SELECT pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END,
                              coalesce(s.replay_lsn, s.flush_lsn, s.write_lsn, s.sent_lsn)) AS behind) AS position
 WHERE s.state <> 'backup'
 LIMIT 100
