-- How many client connections are in use, by state and by connection limit?
WITH client AS MATERIALIZED (
    SELECT coalesce(state, 'starting') AS state, usesysid, datid FROM pg_stat_activity
     WHERE backend_type = 'client backend'
), own AS (
    -- Superusers may exceed both limits, but count for the database. A limit of 0 keeps everybody else out.
    -- The limit of a role often equals the size of its pool, which keeps all connections open: idle ones count as free.
    SELECT 'role ' || rolname AS name, count(*) FILTER (WHERE state <> 'idle') AS used, rolconnlimit AS most
      FROM client JOIN pg_roles r ON r.oid = usesysid AND NOT rolsuper AND rolconnlimit > 0
     GROUP BY 1, 3
    UNION ALL
    SELECT 'database ' || datname, count(*), datconnlimit
      FROM client JOIN pg_database d ON d.oid = datid AND datname = current_database() AND datconnlimit > 0
     GROUP BY 1, 3
)
SELECT state, count(*),
       current_setting('max_connections')::int
         - current_setting('superuser_reserved_connections')::int
         - coalesce(current_setting('reserved_connections', true)::int, 0),
       pg_has_role(current_user, 'pg_read_all_stats', 'USAGE'),
       (SELECT jsonb_agg(jsonb_build_array(name, used, most) ORDER BY name) FROM own)
  FROM client
 GROUP BY 1
