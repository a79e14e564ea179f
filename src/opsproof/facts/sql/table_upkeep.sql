WITH RECURSIVE counted AS (
    -- The functions that pg_stat_all_tables is made of: the view would group every index as well.
    SELECT oid, relname, relkind, reltuples, reloptions,
           pg_stat_get_live_tuples(oid) AS live, pg_stat_get_dead_tuples(oid) AS dead,
           pg_stat_get_mod_since_analyze(oid) AS changed, pg_stat_get_ins_since_vacuum(oid) AS inserted
      FROM pg_class
     WHERE relkind IN ('r', 'm', 't') AND relpersistence <> 't'
), server AS (
    SELECT jsonb_object_agg(name, setting) AS settings FROM pg_settings WHERE name LIKE 'autovacuum%'
), known AS MATERIALIZED (
    SELECT t.*, owner.called,
           settings || coalesce((SELECT jsonb_object_agg(option_name, option_value)
                                   FROM pg_options_to_table(coalesce(t.reloptions, owner.reloptions))), '{}') AS setting,
           extract(epoch FROM now() - greatest(pg_stat_get_last_vacuum_time(t.oid),
                                               pg_stat_get_last_autovacuum_time(t.oid)))::float8 AS vacuum_age
      FROM counted t CROSS JOIN server CROSS JOIN LATERAL (
           -- A TOAST table has the number of its owner in its name.
           SELECT nspname || '.' || relname AS called, reloptions FROM pg_class o JOIN pg_namespace n ON n.oid = relnamespace
            WHERE o.oid = CASE t.relkind WHEN 't' THEN substr(t.relname, 10)::oid ELSE t.oid END OFFSET 0) AS owner
     WHERE greatest(dead, changed, inserted) >= 10000 OR live >= 1000 OR t.reltuples >= 1000
        OR t.reloptions IS NOT NULL
), triggered AS (
    SELECT known.*,
           least((setting ->> 'autovacuum_vacuum_threshold')::float8
                   + (setting ->> 'autovacuum_vacuum_scale_factor')::float8 * greatest(reltuples, 0),
                 nullif((setting ->> 'autovacuum_vacuum_max_threshold')::float8, -1)) AS dead_trigger,
           nullif((setting ->> 'autovacuum_vacuum_insert_threshold')::float8, -1)
             + (setting ->> 'autovacuum_vacuum_insert_scale_factor')::float8 * greatest(reltuples, 0) AS insert_trigger,
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
    -- ANALYZE passes pg_statistic over, whatever changes in it.
    SELECT called, relkind = 't' AS is_toast, live, dead, dead_trigger, changed, change_trigger, vacuum_age,
           array_remove(ARRAY[
               -- Autovacuum looks every minute: what it has just been at may be beyond its trigger again.
               CASE WHEN dead >= 10000 AND (dead > 2 * dead_trigger
                         OR dead > dead_trigger AND coalesce(vacuum_age > 600, true)) THEN 'dead' END,
               CASE WHEN dead > dead_trigger OR inserted > insert_trigger THEN 'due' END,
               CASE WHEN changed >= 10000 AND changed > 2 * change_trigger AND relkind <> 't'
                         AND oid <> 'pg_statistic'::regclass THEN 'stale' END,
               CASE WHEN greatest(live, reltuples) >= 1000 AND relkind <> 't' AND oid <> 'pg_statistic'::regclass
                         AND (SELECT starelid FROM pg_statistic WHERE starelid = oid LIMIT 1) IS NULL THEN 'unanalyzed' END,
               CASE WHEN reltuples >= 10000 AND live + dead < reltuples / 2 THEN 'uncounted' END,
               CASE WHEN NOT (setting ->> 'autovacuum_enabled')::boolean THEN 'left out' END], NULL) AS flags
      FROM triggered
    UNION ALL
    -- Autovacuum never analyzes a partitioned table itself: its count is that of the last ANALYZE.
    SELECT nspname || '.' || relname, false, entries, 0, 0, abs(entries - greatest(reltuples, 0)::bigint), 0, NULL,
           ARRAY[CASE WHEN reltuples < 0 THEN 'unanalyzed' ELSE 'stale' END]
      FROM filled JOIN pg_class p ON p.oid = parent JOIN pg_namespace n ON n.oid = relnamespace
     WHERE entries >= 1000 AND (reltuples < 0 OR abs(entries - reltuples) > 0.2 * greatest(reltuples, 1))
)
SELECT called, is_toast, live, dead, round(dead_trigger)::bigint, changed, round(change_trigger)::bigint,
       vacuum_age, flags
  FROM flagged
 WHERE flags <> '{}'
