-- Which sessions, prepared transactions, slots and standbys hold back the removal of dead rows?
WITH seen AS (
    SELECT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS everything
), held AS (
    SELECT 'session' AS kind, concat_ws(' ', 'pid', pid, usename, application_name, state) AS who,
           greatest(age(backend_xid), age(backend_xmin)) AS transactions, now() - xact_start AS since,
           greatest(age(backend_xid), age(backend_xmin)) AS of_users
      FROM pg_stat_activity a
     WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type <> 'walsender'
       AND coalesce(backend_xid, backend_xmin) IS NOT NULL
       -- A running VACUUM does not hold back another VACUUM.
       AND NOT EXISTS (SELECT FROM pg_stat_progress_vacuum v WHERE v.pid = a.pid)
    UNION ALL
    SELECT 'prepared transaction', concat_ws(' ', quote_literal(gid), 'of', owner), age(transaction),
           now() - prepared, age(transaction)
      FROM pg_prepared_xacts WHERE database = current_database()
    UNION ALL
    SELECT 'slot', concat_ws(' ', slot_name, CASE WHEN active THEN 'in use' ELSE 'not in use' END),
           greatest(age(xmin), age(catalog_xmin)), now() - (to_jsonb(s) ->> 'inactive_since')::timestamptz,
           age(xmin)
      FROM pg_replication_slots s WHERE coalesce(xmin, catalog_xmin) IS NOT NULL
    UNION ALL
    SELECT 'standby', concat_ws(' ', application_name, client_addr, state), age(backend_xmin), NULL,
           age(backend_xmin)
      FROM pg_stat_replication WHERE backend_xmin IS NOT NULL
)
SELECT everything, kind, who, transactions, extract(EPOCH FROM since)::float8, of_users
  FROM seen LEFT JOIN held ON TRUE
 ORDER BY since DESC NULLS LAST, transactions DESC
