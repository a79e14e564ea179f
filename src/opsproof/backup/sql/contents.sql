-- What does the database contain, as one line of JSON: properties, and digests of its schema and its grants?
-- The digests are the same for a restored copy: they do not depend on time, server or order of creation. The search
-- path of every session has pg_catalog alone, so that every name is printed with its schema. Excluded: objects of
-- extensions, invalid indexes, versions of extensions, statistics, and numbers assigned by the server, such as OIDs.
WITH own AS MATERIALIZED (
    SELECT oid, nspname, nspowner, nspacl FROM pg_namespace
     WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
), foreign_to_us AS MATERIALIZED (
    SELECT classid, objid FROM pg_depend WHERE deptype = 'e'
), relation AS MATERIALIZED (
    SELECT c.*, format('%I.%I', nspname, relname) AS called FROM pg_class c JOIN own ON own.oid = relnamespace
     WHERE NOT EXISTS (SELECT FROM foreign_to_us WHERE classid = 'pg_class'::regclass AND objid = c.oid)
       AND NOT EXISTS (SELECT FROM pg_index WHERE indexrelid = c.oid AND relkind = 'i' AND NOT indisvalid)
), routine AS MATERIALIZED (
    SELECT p.*, format('%I.%I(%s)', nspname, proname, pg_get_function_identity_arguments(p.oid)) AS called
      FROM pg_proc p JOIN own ON own.oid = pronamespace
     WHERE NOT EXISTS (SELECT FROM foreign_to_us WHERE classid = 'pg_proc'::regclass AND objid = p.oid)
), type AS MATERIALIZED (
    SELECT t.*, format('%I.%I', nspname, typname) AS called FROM pg_type t JOIN own ON own.oid = typnamespace
     WHERE typtype IN ('d', 'e', 'r')
       AND NOT EXISTS (SELECT FROM foreign_to_us WHERE classid = 'pg_type'::regclass AND objid = t.oid)
), line (part) AS (
    SELECT concat_ws('|', 'schema', nspname) FROM own
    UNION ALL
    SELECT concat_ws('|', 'extension', extname, nspname) FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace
    UNION ALL
    SELECT concat_ws('|', 'relation', called, relkind, relpersistence, relrowsecurity, relforcerowsecurity,
                     relreplident, reloptions, pg_get_expr(relpartbound, oid),
                     CASE relkind WHEN 'p' THEN pg_get_partkeydef(oid) END,
                     CASE WHEN relkind IN ('v', 'm') THEN pg_get_viewdef(oid) END,
                     CASE WHEN relkind IN ('i', 'I') THEN pg_get_indexdef(oid) END,
                     (SELECT string_agg(inhparent::regclass::text, ',' ORDER BY inhseqno) FROM pg_inherits
                       WHERE inhrelid = relation.oid))
      FROM relation
    UNION ALL
    SELECT concat_ws('|', 'column', called,
                     row_number() OVER (PARTITION BY attrelid ORDER BY attnum), attname,
                     format_type(atttypid, atttypmod), attnotnull, attidentity, attgenerated, attstorage,
                     attcompression, attcollation::regcollation, pg_get_expr(adbin, adrelid))
      FROM relation JOIN pg_attribute a ON attrelid = relation.oid AND attnum > 0 AND NOT attisdropped
      LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
     WHERE relkind IN ('r', 'p', 'f', 'c')
    UNION ALL
    SELECT concat_ws('|', 'constraint', coalesce(relation.called, type.called), conname, convalidated,
                     pg_get_constraintdef(c.oid))
      FROM pg_constraint c LEFT JOIN relation ON relation.oid = conrelid LEFT JOIN type ON type.oid = contypid
     WHERE contype <> 'n' AND coalesce(relation.oid, type.oid) IS NOT NULL
    UNION ALL
    SELECT concat_ws('|', 'trigger', pg_get_triggerdef(t.oid), tgenabled) FROM pg_trigger t
      JOIN relation ON relation.oid = tgrelid WHERE NOT tgisinternal
    UNION ALL
    SELECT concat_ws('|', 'policy', called, polname, polcmd, polpermissive,
                     (SELECT string_agg(coalesce(rolname, 'public'), ',' ORDER BY rolname)
                        FROM unnest(polroles) r LEFT JOIN pg_roles ON oid = r),
                     pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))
      FROM pg_policy JOIN relation ON relation.oid = polrelid
    UNION ALL
    SELECT concat_ws('|', 'sequence', called, seqtypid::regtype, seqstart, seqincrement, seqmin, seqmax, seqcache,
                     seqcycle)
      FROM pg_sequence JOIN relation ON relation.oid = seqrelid
    UNION ALL
    SELECT concat_ws('|', 'statistics', pg_get_statisticsobjdef(s.oid)) FROM pg_statistic_ext s
      JOIN relation ON relation.oid = stxrelid
    UNION ALL
    SELECT concat_ws('|', 'routine', called, prokind,
                     CASE WHEN prokind <> 'a' THEN pg_get_functiondef(routine.oid) END) FROM routine
    UNION ALL
    SELECT concat_ws('|', 'type', called, typtype, format_type(typbasetype, typtypmod), typnotnull, typdefault,
                     (SELECT string_agg(enumlabel, ',' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = type.oid))
      FROM type
), grants (part) AS (
    SELECT concat_ws('|', nspname, pg_get_userbyid(nspowner), granted.all) FROM own,
           LATERAL (SELECT string_agg(g::text, ',' ORDER BY g::text COLLATE "C") FROM unnest(nspacl) g) AS granted ("all")
    UNION ALL
    SELECT concat_ws('|', called, pg_get_userbyid(relowner), granted.all) FROM relation,
           LATERAL (SELECT string_agg(g::text, ',' ORDER BY g::text COLLATE "C") FROM unnest(relacl) g) AS granted ("all")
     WHERE relkind NOT IN ('i', 'I', 't')
    UNION ALL
    SELECT concat_ws('|', called, attname, granted.all) FROM relation JOIN pg_attribute ON attrelid = oid AND attnum > 0,
           LATERAL (SELECT string_agg(g::text, ',' ORDER BY g::text COLLATE "C") FROM unnest(attacl) g) AS granted ("all")
     WHERE attacl IS NOT NULL AND NOT attisdropped
    UNION ALL
    SELECT concat_ws('|', called, pg_get_userbyid(proowner), granted.all) FROM routine,
           LATERAL (SELECT string_agg(g::text, ',' ORDER BY g::text COLLATE "C") FROM unnest(proacl) g) AS granted ("all")
)
SELECT json_build_object(
    'version', current_setting('server_version'),
    'version_num', current_setting('server_version_num')::int,
    'lsn', CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END,
    'database', datname,
    'owner', pg_get_userbyid(datdba),
    'bootstrap', pg_get_userbyid(10),
    'bytes', pg_database_size(oid),
    'encoding', pg_encoding_to_char(encoding),
    'collate', datcollate,
    'ctype', datctype,
    'provider', datlocprovider,
    'locale', coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale'),
    'large_objects', (SELECT count(*) FROM pg_largeobject_metadata),
    'schema_sha256', (SELECT encode(sha256(convert_to(coalesce(string_agg(part, E'\n' ORDER BY part COLLATE "C"), ''),
                                                      'UTF8')), 'hex') FROM line),
    'grants_sha256', (SELECT encode(sha256(convert_to(coalesce(string_agg(part, E'\n' ORDER BY part COLLATE "C"), ''),
                                                      'UTF8')), 'hex') FROM grants))
  FROM pg_database d WHERE datname = current_database()
