-- The tables whose names are in `names`, a list of [schema, table], as one line of JSON: partitioned ones by their leaves.
-- Times are in seconds since 1970, ages in transactions.
SET search_path = pg_catalog;
WITH wanted AS (
    SELECT ord, each ->> 0 AS schema, each ->> 1 AS name FROM json_array_elements(:'names') WITH ORDINALITY t (each, ord)),
found AS (
    SELECT ord, schema, name, c.oid, relkind
      FROM wanted LEFT JOIN pg_namespace ON nspname = schema
      LEFT JOIN pg_class c ON relnamespace = pg_namespace.oid AND relname = name AND relkind IN ('r', 'm', 'p', 't')),
tables AS (
    SELECT min(ord) AS ord, relid FROM (
        SELECT ord, oid AS relid FROM found WHERE relkind IN ('r', 'm', 't')
        UNION ALL
        SELECT ord, leaf.relid FROM found, pg_partition_tree(oid) leaf WHERE relkind = 'p' AND isleaf) every
     GROUP BY relid)
SELECT json_build_object(
    'missing', coalesce((SELECT json_agg(json_build_array(schema, name)) FROM found WHERE oid IS NULL), '[]'),
    'roots', coalesce((SELECT json_agg(json_build_array(schema, name)) FROM found WHERE relkind = 'p'), '[]'),
    'tables', coalesce((
        SELECT json_agg(json_build_object(
                   'schema', nspname, 'name', c.relname, 'bytes', pg_table_size(c.oid),
                   'dead', n_dead_tup,
                   'vacuumed', extract(epoch FROM greatest(last_vacuum, last_autovacuum)),
                   'analyzed', extract(epoch FROM greatest(last_analyze, last_autoanalyze)),
                   'age', greatest(age(relfrozenxid), (SELECT age(t.relfrozenxid) FROM pg_class t
                                                        WHERE t.oid = c.reltoastrelid)),
                   'owner', pg_get_userbyid(relowner),
                   'may', pg_has_role(relowner, 'USAGE')
                          OR (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
                          OR CASE WHEN current_setting('server_version_num')::int >= 170000
                                  THEN has_table_privilege(c.oid, 'MAINTAIN') ELSE false END)
               ORDER BY ord, nspname, c.relname)
          FROM tables JOIN pg_class c ON c.oid = relid JOIN pg_namespace n ON n.oid = relnamespace
          LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid
         WHERE relpersistence <> 't'), '[]'),
    'now', extract(epoch FROM clock_timestamp()));
