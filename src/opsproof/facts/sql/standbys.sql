-- Which WAL receivers are connected, and how far is each behind?
SELECT role.sees, s.application_name, s.state, position.behind::float8,
       CASE WHEN position.behind > 0
            THEN greatest(extract(EPOCH FROM reported.lag), silence.seconds) ELSE 0 END::float8
  FROM (SELECT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS sees) AS role
  LEFT JOIN pg_stat_replication s ON s.state NOT IN ('backup', 'startup')
 CROSS JOIN LATERAL (
       SELECT pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END,
                              coalesce(s.replay_lsn, s.write_lsn, s.sent_lsn)) AS behind) AS position
 CROSS JOIN LATERAL (
       SELECT CASE WHEN clock_timestamp() - s.reply_time > interval '15 s'
                   THEN extract(EPOCH FROM clock_timestamp() - s.reply_time) ELSE 0 END AS seconds) AS silence
 CROSS JOIN LATERAL (
       -- A receiver without replay, like pg_receivewal, confirms writes every ten seconds, and its replay_lag only grows.
       SELECT CASE WHEN s.replay_lsn IS NOT NULL THEN coalesce(s.replay_lag, s.write_lag)
                   WHEN s.write_lag > interval '15 s' THEN s.write_lag END AS lag) AS reported
 LIMIT 100
