-- Which tables and TOAST tables need VACUUM or ANALYZE, by the thresholds of autovacuum?
WITH RECURSIVE counted AS (
    -- Functions behind pg_stat_all_tables: the view itself would also aggregate every index.
    SELECT class.*,
           pg_stat_get_live_tuples(oid) AS live, pg_stat_get_dead_tuples(oid) AS dead,
           pg_stat_get_mod_since_analyze(oid) AS changed, pg_stat_get_ins_since_vacuum(oid) AS inserted
      FROM (SELECT 0 AS relallfrozen) AS before_18
     CROSS JOIN LATERAL (SELECT oid, relname, relkind, relfilenode, relpages, reltuples, reloptions, relallfrozen
                           FROM pg_class WHERE relkind IN ('r', 'm', 't') AND relpersistence <> 't') AS class
), written AS MATERIALIZED (
    SELECT relation, mode FROM pg_locks
     WHERE mode IN ('RowExclusiveLock', 'AccessExclusiveLock') AND relation IS NOT NULL
       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
), held AS MATERIALIZED (
    -- Whether a session, prepared transaction, slot or standby holds VACUUM back.
    SELECT EXISTS (SELECT FROM pg_stat_activity
                    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
                      AND coalesce(backend_xid, backend_xmin) IS NOT NULL AND xact_start < now() - interval '10 min'
                      AND pid NOT IN (SELECT pid FROM pg_stat_progress_vacuum))
           OR EXISTS (SELECT FROM pg_prepared_xacts
                       WHERE database = current_database() AND prepared < now() - interval '10 min')
           OR EXISTS (SELECT FROM pg_replication_slots WHERE age(xmin) > 100000)
           OR EXISTS (SELECT FROM pg_stat_replication WHERE age(backend_xmin) > 100000) AS back
), sized AS (
    -- Without row counts in catalog and statistics the file size decides, unless a lock would make the size query wait.
    SELECT *, CASE WHEN reltuples < 0 AND relkind <> 't' AND oid >= 16384 AND live = 0
                   THEN oid IN (SELECT relation FROM written WHERE mode = 'AccessExclusiveLock')
                             OR pg_relation_size(oid) >= 1048576 ELSE FALSE END AS unseen
      FROM counted
), server AS (
    SELECT jsonb_object_agg(name, setting) AS settings FROM pg_settings WHERE name LIKE 'autovacuum%'
), vacuumed AS MATERIALIZED (
    SELECT relid FROM pg_stat_progress_vacuum WHERE datname = current_database() AND relid IS NOT NULL
), known AS MATERIALIZED (
    SELECT t.*, owner.oid AS owner, owner.called, unseen AND t.oid IN (SELECT relation FROM written) AS is_filled,
           EXISTS (SELECT FROM pg_options_to_table(coalesce(t.reloptions, owner.reloptions))
                    WHERE option_name ~ '^autovacuum_.*(threshold|scale_factor)$') AS has_options,
           settings || coalesce((SELECT jsonb_object_agg(option_name, option_value)
                                   FROM pg_options_to_table(coalesce(t.reloptions, owner.reloptions))), '{}') AS setting,
           extract(EPOCH FROM now() - greatest(pg_stat_get_last_vacuum_time(t.oid),
                                               pg_stat_get_last_autovacuum_time(t.oid)))::float8 AS vacuum_age,
           extract(EPOCH FROM now() - greatest(pg_stat_get_last_analyze_time(t.oid),
                                               pg_stat_get_last_autoanalyze_time(t.oid)))::float8 AS analyze_age
      FROM sized t CROSS JOIN server CROSS JOIN LATERAL (
           -- The name of a TOAST table contains the OID of its owner.
           SELECT o.oid, nspname || '.' || relname AS called, reloptions
             FROM pg_class o JOIN pg_namespace n ON n.oid = relnamespace
            WHERE o.oid = CASE t.relkind WHEN 't' THEN substr(t.relname, 10)::oid ELSE t.oid END OFFSET 0) AS owner
     WHERE greatest(dead, changed, inserted) >= 10000 OR live >= 1000 OR t.reltuples >= 1000
        OR t.reloptions IS NOT NULL OR unseen
), triggered AS (
    SELECT known.*, greatest(reltuples, 0) AS counted_rows, 10 * greatest(reltuples, live, 1000000) AS reach,
           -- Autovacuum runs every minute: a table just vacuumed may be over its threshold again.
           (setting ->> 'autovacuum')::boolean
             AND coalesce((setting ->> 'autovacuum_enabled')::boolean, TRUE) AS attended,
           least((setting ->> 'autovacuum_vacuum_threshold')::float8
                   + (setting ->> 'autovacuum_vacuum_scale_factor')::float8 * greatest(reltuples, 0),
                 nullif((setting ->> 'autovacuum_vacuum_max_threshold')::float8, -1)) AS dead_trigger,
           -- From PostgreSQL 18 on the scale factor applies to unfrozen pages only.
           nullif((setting ->> 'autovacuum_vacuum_insert_threshold')::float8, -1)
             + (setting ->> 'autovacuum_vacuum_insert_scale_factor')::float8 * greatest(reltuples, 0)
               * (1 - least(relallfrozen, relpages)::float8 / greatest(relpages, 1)) AS insert_trigger,
           (setting ->> 'autovacuum_analyze_threshold')::float8
             + (setting ->> 'autovacuum_analyze_scale_factor')::float8 * greatest(reltuples, 0) AS change_trigger
      FROM known
), part (parent, oid) AS (
    SELECT partrelid, partrelid FROM pg_partitioned_table
    UNION ALL
    SELECT parent, inhrelid FROM part JOIN pg_inherits ON inhparent = part.oid
), filled AS (
    SELECT parent, round(sum(reltuples::float8))::bigint AS entries FROM part JOIN pg_class c USING (oid)
     WHERE relkind <> 'p' AND reltuples > 0
     GROUP BY parent
), flagged AS (
    -- ANALYZE always skips pg_statistic.
    SELECT called, relkind = 't' AS is_toast, live, dead, dead_trigger, changed, change_trigger, vacuum_age,
           relfilenode AS file,
           array_remove(ARRAY[
               CASE WHEN dead >= 10000 AND dead > least(dead_trigger, 50 + 0.2 * counted_rows)
                         AND NOT (attended AND NOT back AND coalesce(vacuum_age <= 600, FALSE)) THEN 'dead' END,
               CASE WHEN (dead > 1.1 * dead_trigger OR inserted > 1.1 * insert_trigger)
                         AND oid NOT IN (SELECT relid FROM vacuumed)
                         AND owner NOT IN (SELECT relid FROM vacuumed) THEN 'due' END,
               CASE WHEN changed >= 10000 AND changed > least(change_trigger, 50 + 0.1 * counted_rows)
                         AND NOT (attended AND coalesce(analyze_age <= 600, FALSE)) AND relkind <> 't'
                         AND oid <> 'pg_statistic'::regclass THEN 'stale' END,
               CASE WHEN (greatest(live, reltuples) >= 1000 OR unseen) AND relkind <> 't' AND oid <> 'pg_statistic'::regclass
                         AND (SELECT starelid FROM pg_statistic WHERE starelid = oid LIMIT 1) IS NULL
                         -- ANALYZE stores no statistics for columns with a statistics target of 0.
                         AND EXISTS (SELECT FROM pg_attribute WHERE attrelid = oid AND attnum > 0 AND NOT attisdropped
                                        AND attstattarget IS DISTINCT FROM 0)
                    THEN CASE WHEN attended AND changed > change_trigger OR is_filled
                              THEN 'awaited' ELSE 'unanalyzed' END END,
               CASE WHEN unseen AND NOT is_filled OR reltuples >= 10000 AND live + dead < reltuples / 2 THEN 'uncounted' END,
               CASE WHEN NOT (setting ->> 'autovacuum_enabled')::boolean THEN 'left out' END,
               CASE WHEN has_options AND (dead_trigger > reach OR insert_trigger > reach
                                          OR relkind <> 't' AND change_trigger > reach) THEN 'out of reach' END], NULL) AS flags
      FROM triggered CROSS JOIN held
    UNION ALL
    -- Autovacuum never analyzes a partitioned table: its row count dates from the last manual ANALYZE.
    SELECT nspname || '.' || relname, FALSE, entries, 0, 0, abs(entries - greatest(reltuples, 0)::bigint), 0, NULL, 0,
           ARRAY[CASE WHEN reltuples < 0 THEN 'unanalyzed' ELSE 'stale' END]
      FROM filled JOIN pg_class p ON p.oid = parent JOIN pg_namespace n ON n.oid = relnamespace
     WHERE entries >= 1000 AND (reltuples < 0 OR abs(entries - reltuples) > 0.2 * greatest(reltuples, 1))
)
SELECT called, is_toast, live, dead, round(dead_trigger)::bigint, changed, round(change_trigger)::bigint,
       vacuum_age, file::bigint, flags
  FROM flagged
 WHERE flags <> '{}'
