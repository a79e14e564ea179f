-- What are the size, method, state and owner of the named indexes, and of all indexes with a name of --retune?
--
-- `names` is a JSON list of schema.index; a partitioned index stands for its leaves. One line of JSON; `several` lists
-- ambiguous names: a schema or index name may itself contain a dot, so whole names are compared.
WITH named AS (
    SELECT c.oid, relkind, nspname || '.' || relname AS called
      FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind IN ('i', 'I')),
found AS (
    SELECT ord, name, oid, relkind
      FROM json_array_elements_text(:'names') WITH ORDINALITY t (name, ord) LEFT JOIN named ON called = name),
chosen AS (
    SELECT min(ord) AS ord, relid FROM (
        SELECT ord, oid AS relid FROM found WHERE relkind = 'i'
        UNION ALL
        SELECT ord, leaf.relid FROM found, pg_partition_tree(oid) leaf WHERE relkind = 'I' AND isleaf) every
     GROUP BY relid),
known AS (
    SELECT ord, i.*, c.relname, c.relnamespace, c.reltablespace, c.relowner, c.reloptions, c.relam, c.relispartition,
           c.relname ~ '^opsproof_(retune|retired)_\d+$' AS ours
      FROM pg_index i JOIN pg_class c ON c.oid = indexrelid LEFT JOIN chosen ON relid = indexrelid
     WHERE relid IS NOT NULL OR (c.relkind = 'i' AND c.relname ~ '^opsproof_(retune|retired)_\d+$')),
built AS (
    SELECT relid AS oid FROM pg_stat_progress_create_index WHERE pid <> pg_backend_pid()
    UNION ALL
    SELECT relation FROM pg_locks JOIN known ON relation = indexrelid
     WHERE database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND pid <> pg_backend_pid()
       AND mode IN ('ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock',
                    'AccessExclusiveLock'))
SELECT json_build_object(
    'missing', coalesce((SELECT json_agg(name) FROM found WHERE oid IS NULL), '[]'),
    'several', coalesce((SELECT json_agg(name) FROM (SELECT name FROM found GROUP BY ord, name HAVING count(*) > 1) more),
                        '[]'),
    'indexes', coalesce((
        SELECT json_agg(json_build_object(
                   'oid', indexrelid::bigint, 'schema', n.nspname, 'name', k.relname,
                   'table_schema', tn.nspname, 'table', t.relname, 'method', amname,
                   'bytes', coalesce(pg_relation_size(indexrelid), 0),
                   'table_bytes', coalesce(pg_table_size(indrelid), 0),
                   'rows', greatest(t.reltuples, pg_stat_get_live_tuples(t.oid)),
                   'agreed', 2 * least(t.reltuples, pg_stat_get_live_tuples(t.oid))
                             >= greatest(t.reltuples, pg_stat_get_live_tuples(t.oid)),
                   'valid', indisvalid AND indisready AND indislive,
                   'exclusion', indisexclusion, 'attached', k.relispartition,
                   'lists', CASE WHEN amname = 'ivfflat' THEN coalesce((
                       SELECT option_value::int FROM pg_options_to_table(k.reloptions) WHERE option_name = 'lists'), 100) END,
                   'dimensions', CASE WHEN amname IN ('ivfflat', 'hnsw') THEN (
                       SELECT max(atttypmod) FROM pg_attribute WHERE attrelid = indexrelid) END,
                   'folder', nullif(pg_tablespace_location(k.reltablespace), ''),
                   'ours', ours,
                   'heir', (SELECT h.relname FROM pg_class h JOIN pg_index hi ON hi.indexrelid = h.oid
                             WHERE k.relname = 'opsproof_retired_' || h.oid AND h.oid <> k.indexrelid
                               AND h.relnamespace = k.relnamespace AND hi.indrelid = k.indrelid AND k.indisvalid),
                   'building', indexrelid IN (SELECT oid FROM built) OR indrelid IN (SELECT oid FROM built),
                   'owner', pg_get_userbyid(k.relowner),
                   'owned', has_schema_privilege(n.oid, 'USAGE') AND pg_has_role(k.relowner, 'USAGE'))
               ORDER BY ord, n.nspname, k.relname)
          FROM known k JOIN pg_namespace n ON n.oid = k.relnamespace
          JOIN pg_class t ON t.oid = indrelid JOIN pg_namespace tn ON tn.oid = t.relnamespace
          JOIN pg_am a ON a.oid = k.relam
         WHERE t.relpersistence <> 't'), '[]'));
