WITH large AS (
    (SELECT oid, relkind, relname FROM pg_class WHERE relkind IN ('r', 'm', 't') ORDER BY relpages DESC LIMIT 20)
    UNION ALL
    (SELECT oid, relkind, relname FROM pg_class WHERE relkind = 'i' ORDER BY relpages DESC LIMIT 10)
), owner AS (
    -- A TOAST table has the number of its owner in its name.
    SELECT DISTINCT relkind = 'i' AS is_index, CASE relkind WHEN 't' THEN substr(relname, 10)::oid ELSE oid END AS oid
      FROM large
)
SELECT is_index, nspname || '.' || relname,
       CASE WHEN is_index THEN pg_relation_size(c.oid) ELSE pg_table_size(c.oid) END,
       (SELECT sum(relpages::bigint) * 8192 FROM pg_class WHERE relkind IN ('r', 'm', 't', 'i'))::bigint,
       extract(epoch FROM now())::float8
  FROM owner JOIN pg_class c USING (oid) JOIN pg_namespace n ON n.oid = relnamespace
