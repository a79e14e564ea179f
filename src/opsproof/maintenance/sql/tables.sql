-- What are the size, dead rows, last vacuum, last analyze and transaction age of the named tables?
--
-- `names` is a JSON list of schema.table, "users" (all but system tables) or "all". A partitioned table stands for its
-- leaves. One line of JSON, times in seconds since 1970, ages in transactions and multixact IDs; `several` lists
-- ambiguous names: a schema or table name may itself contain a dot, so whole names are compared.
WITH named AS (
    SELECT c.oid, relkind, relpersistence, nspname, nspname || '.' || relname AS name
      FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind IN ('r', 'm', 'p', 't')),
found AS (
    SELECT ord, asked AS name, oid, relkind
      FROM json_array_elements_text(CASE json_typeof(:'names') WHEN 'array' THEN :'names'::json ELSE '[]' END)
           WITH ORDINALITY t (asked, ord) LEFT JOIN named ON name = asked
    UNION ALL
    SELECT NULL, name, oid, relkind FROM named
     WHERE relkind <> 't' AND relpersistence <> 't' AND json_typeof(:'names') = 'string'
       AND (:'names'::json #>> '{}' = 'all' OR nspname !~ '^pg_' AND nspname <> 'information_schema')),
tables AS (
    SELECT min(ord) AS ord, relid, array_agg(root) AS roots FROM (
        SELECT ord, oid AS relid, NULL::oid AS root FROM found WHERE oid IS NOT NULL
        UNION ALL
        SELECT ord, leaf.relid, found.oid FROM found, pg_partition_tree(oid) leaf JOIN pg_class c ON c.oid = leaf.relid
         WHERE found.relkind = 'p' AND isleaf AND c.relkind IN ('r', 'm', 'p', 't')) every
     GROUP BY relid),
permitted AS (
    SELECT relid, has_schema_privilege(relnamespace, 'USAGE') AND (pg_has_role(relowner, 'USAGE')
           OR CASE WHEN current_setting('server_version_num')::int >= 170000
                   THEN has_table_privilege(oid, 'MAINTAIN') ELSE FALSE END) AS may
      FROM tables JOIN pg_class ON oid = relid)
SELECT json_build_object(
    'missing', coalesce((SELECT json_agg(name) FROM found WHERE oid IS NULL), '[]'),
    'several', coalesce((SELECT json_agg(name) FROM (SELECT name FROM found WHERE ord IS NOT NULL
                                                      GROUP BY ord, name HAVING count(*) > 1) more), '[]'),
    'tables', coalesce((
        SELECT json_agg(json_build_object(
                   'schema', nspname, 'name', c.relname, 'root', c.relkind = 'p',
                   'within', EXISTS (SELECT FROM permitted root WHERE root.relid = ANY (roots) AND root.may),
                   'bytes', pg_table_size(c.oid), 'dead', n_dead_tup,
                   'vacuumed', extract(EPOCH FROM greatest(last_vacuum, last_autovacuum)),
                   'analyzed', extract(EPOCH FROM greatest(last_analyze, last_autoanalyze)),
                   'age', greatest(age(relfrozenxid), (SELECT age(t.relfrozenxid) FROM pg_class t
                                                        WHERE t.oid = c.reltoastrelid)),
                   'multixacts', greatest(mxid_age(relminmxid), (SELECT mxid_age(t.relminmxid) FROM pg_class t
                                                                  WHERE t.oid = c.reltoastrelid)),
                   'catalog', c.oid::bigint < 12000 OR EXISTS (  -- created by initdb: FirstUnpinnedObjectId
                       SELECT FROM pg_options_to_table(c.reloptions)
                        WHERE option_name = 'user_catalog_table' AND option_value::boolean),
                   'owner', pg_get_userbyid(relowner),
                   'may', may)
               ORDER BY ord, nspname, c.relname)
          FROM tables JOIN permitted USING (relid) JOIN pg_class c ON c.oid = relid JOIN pg_namespace n ON n.oid = relnamespace
          LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid
         WHERE relpersistence <> 't'), '[]'),
    'now', extract(EPOCH FROM clock_timestamp()));
