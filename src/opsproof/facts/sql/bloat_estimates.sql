-- How much space of large tables and B-tree indexes is unused, by planner statistics?
WITH large AS MATERIALIZED (
    -- relpages dates from the last vacuum or analyze. For tables never vacuumed the row count decides, and without a
    -- row count the file size, unless a lock would make the size query wait.
    SELECT t.*, (SELECT nspname || '.' || relname FROM pg_class o JOIN pg_namespace n ON n.oid = relnamespace
                  -- The name of a TOAST table contains the OID of its owner.
                  WHERE o.oid = CASE t.relkind WHEN 't' THEN substr(t.relname, 10)::oid ELSE t.oid END) AS called,
           pg_relation_size(t.oid)::float8 AS size
      FROM (SELECT oid, relname, relkind, relpages, relnatts, reltuples, reloptions, relam,
                   pg_stat_get_live_tuples(oid) AS live, pg_stat_get_dead_tuples(oid) AS dead FROM pg_class
             WHERE relkind IN ('r', 'm', 't') AND relpersistence <> 't') AS t
     WHERE relpages >= 128 OR live + dead >= 20000
        OR CASE WHEN reltuples < 0 AND relkind <> 't' AND oid >= 16384 AND live = 0
                     AND oid NOT IN (SELECT relation FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation IS NOT NULL)
                THEN pg_relation_size(oid) >= 1048576 END
), heap AS (
    -- pgstattuple supports only heap tables.
    SELECT oid, CASE relkind WHEN 't' THEN 'TOAST' ELSE 'table' END AS kind, called, size,
           coalesce((SELECT option_value::float8 FROM pg_options_to_table(reloptions) WHERE option_name = 'fillfactor'),
                    100) / 100 AS fillfactor,
           CASE WHEN reltuples < 0 THEN live ELSE greatest(0, least(live, reltuples - dead)) END AS entries,
           -- Tuple header with null bitmap, columns, and line pointer.
           CASE WHEN relkind <> 't' AND columns = (SELECT count(*) FROM pg_attribute
                                                    WHERE attrelid = oid AND attnum > 0 AND NOT attisdropped)
                THEN 4 + 8 * ceil(3 + (relnatts > 8)::int * least(1, nulls) + bytes / 8) END AS width
      FROM large CROSS JOIN LATERAL (
           SELECT count(*) AS columns, sum(stanullfrac) AS nulls, sum((1 - stanullfrac) * stawidth) AS bytes
             FROM pg_statistic WHERE starelid = oid AND NOT stainherit) AS known
     WHERE relam = (SELECT oid FROM pg_am WHERE amname = 'heap')
), btree AS MATERIALIZED (
    SELECT c.oid, c.relname, i.indrelid, i.indkey, i.indisunique, i.indnatts, i.indpred IS NULL AS whole,
           pg_relation_size(c.oid)::float8 AS size,
           coalesce((SELECT option_value::float8 FROM pg_options_to_table(c.reloptions) WHERE option_name = 'fillfactor'),
                    90) / 100 AS fillfactor,
           least(c.reltuples, pg_stat_get_live_tuples(i.indrelid)) AS entries
      FROM (SELECT oid FROM pg_class WHERE relkind = 'i' AND relpages >= 128
            UNION SELECT indexrelid FROM pg_index WHERE indrelid IN (SELECT oid FROM large)) AS candidate
      JOIN pg_class c USING (oid) JOIN pg_am a ON a.oid = relam AND amname = 'btree'
      -- pgstatindex rejects invalid indexes.
      JOIN pg_index i ON indexrelid = c.oid AND i.indisvalid AND i.indisready AND i.indislive
     WHERE relpersistence <> 't'
), estimated AS (
    SELECT oid, kind, called, size, fillfactor, entries * width AS needed FROM heap
    UNION ALL
    -- Equal keys share an entry, with six bytes per row. The most distinct column gives the least number of keys.
    SELECT oid, 'index', (SELECT nspname || '.' || btree.relname FROM pg_class t JOIN pg_namespace n ON n.oid = relnamespace
                           WHERE t.oid = indrelid),
           size, fillfactor,
           -- No estimate for wide columns (compressed), nor for partial indexes (row count seldom known).
           CASE WHEN columns < indnatts OR entries < 0 OR widest > 250 OR NOT whole THEN NULL WHEN indisunique THEN entries * width
                ELSE greatest(keys, entries / 200) * width + 6 * greatest(entries - keys, 0) END
      FROM btree CROSS JOIN LATERAL (
           SELECT count(*) AS columns, 4 + 8 * ceil(1 + sum((1 - stanullfrac) * stawidth) / 8) AS width,
                  max(stawidth) AS widest, max(CASE WHEN stadistinct < 0 THEN -stadistinct * entries ELSE least(stadistinct, entries) END) AS keys
             FROM unnest(indkey) WITH ORDINALITY AS k (attribute, place)
             JOIN pg_statistic ON NOT stainherit AND (starelid, staattnum)
                  = (CASE attribute WHEN 0 THEN oid ELSE indrelid END, CASE attribute WHEN 0 THEN place ELSE attribute END)
           ) AS known
     WHERE size >= 1048576
)
SELECT oid::bigint, kind, called, size::bigint, fillfactor::float8,
       -- An estimate above the file size proves wrong statistics.
       CASE WHEN needed <= 1.1 * size THEN greatest(0, unused) END::float8 AS estimate
  FROM estimated CROSS JOIN LATERAL (
       SELECT 100 * (1 - needed / (size * (1 - 24 / 8192.0) * fillfactor)) AS unused) AS room
 WHERE size >= 1048576
