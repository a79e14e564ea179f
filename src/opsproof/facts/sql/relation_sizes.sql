-- Which tables and indexes are the largest, and how large is the whole database?
WITH unseen AS MATERIALIZED (
    -- Without row counts in catalog and statistics the file size decides, unless a lock would make the size query wait.
    SELECT oid, reltoastrelid FROM pg_class
     WHERE reltuples < 0 AND relkind IN ('r', 'm') AND oid >= 16384
       AND oid NOT IN (SELECT relation FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation IS NOT NULL)
       AND CASE WHEN pg_stat_get_live_tuples(oid) = 0 THEN pg_relation_size(oid) >= 1048576 END
), asked AS MATERIALIZED (
    SELECT oid, relkind, relname, pg_relation_size(oid) AS size, relpages::bigint * 8192 AS known FROM pg_class
     WHERE oid IN (SELECT unnest(ARRAY[oid, reltoastrelid]) FROM unseen
                   UNION ALL SELECT indexrelid FROM pg_index WHERE indrelid IN (SELECT oid FROM unseen))
), large AS (
    (SELECT oid, relkind, relname FROM pg_class WHERE relkind IN ('r', 'm', 't') ORDER BY relpages DESC LIMIT 20)
    UNION ALL
    (SELECT oid, relkind, relname FROM pg_class WHERE relkind = 'i' ORDER BY relpages DESC LIMIT 10)
    UNION ALL
    (SELECT oid, relkind, relname FROM asked WHERE relkind <> 'i' ORDER BY size DESC LIMIT 20)
    UNION ALL
    (SELECT oid, relkind, relname FROM asked WHERE relkind = 'i' ORDER BY size DESC LIMIT 10)
), owner AS (
    -- The name of a TOAST table contains the OID of its owner.
    SELECT DISTINCT relkind = 'i' AS is_index, CASE relkind WHEN 't' THEN substr(relname, 10)::oid ELSE oid END AS oid
      FROM large
)
SELECT is_index, nspname || '.' || relname,
       CASE WHEN is_index THEN pg_relation_size(c.oid) ELSE pg_table_size(c.oid) END,
       ((SELECT sum(relpages::bigint) * 8192 FROM pg_class WHERE relkind IN ('r', 'm', 't', 'i'))
         + (SELECT coalesce(sum(size - known), 0) FROM asked))::bigint,
       extract(EPOCH FROM now())::float8
  FROM owner JOIN pg_class c USING (oid) JOIN pg_namespace n ON n.oid = relnamespace
