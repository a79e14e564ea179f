-- What does the database contain, as one line of JSON: properties, and the number and a digest of its objects, and of
-- owners and privileges, by type of object?
-- Digests hold names, owners and privileges only, so that a restored copy has the same: definitions are printed
-- differently after a reload. Privileges equal to the default count as default, as in pg_dump. Excluded: objects of
-- extensions, invalid indexes, NOT NULL constraints, operators without a function (which pg_dump leaves out), and what
-- the server makes for other objects.
WITH own AS MATERIALIZED (
    SELECT oid, nspowner, nspacl FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
), relation AS MATERIALIZED (
    SELECT c.* FROM pg_class c JOIN own ON own.oid = relnamespace
     WHERE NOT EXISTS (SELECT FROM pg_depend
                        WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e')
       AND NOT EXISTS (SELECT FROM pg_index WHERE indexrelid = c.oid AND relkind = 'i' AND NOT indisvalid)
), object (class, oid, owner, acl, kind) AS (
    SELECT 'pg_class'::regclass, oid, relowner, relacl, CASE relkind WHEN 'S' THEN 's' ELSE 'r' END FROM relation
    UNION ALL
    SELECT 'pg_namespace'::regclass, oid, nspowner, nspacl, 'n' FROM own
    UNION ALL
    SELECT 'pg_proc'::regclass, p.oid, proowner, proacl, 'f' FROM pg_proc p JOIN own ON own.oid = pronamespace
    UNION ALL
    SELECT 'pg_type'::regclass, t.oid, typowner, typacl, 'T' FROM pg_type t JOIN own ON own.oid = typnamespace
     WHERE typrelid = 0 AND typtype <> 'm' AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid)
    UNION ALL
    SELECT 'pg_language'::regclass, oid, lanowner, lanacl, 'l' FROM pg_language
    UNION ALL
    SELECT 'pg_foreign_data_wrapper'::regclass, oid, fdwowner, fdwacl, 'F' FROM pg_foreign_data_wrapper
    UNION ALL
    SELECT 'pg_foreign_server'::regclass, oid, srvowner, srvacl, 'S' FROM pg_foreign_server
    UNION ALL
    SELECT 'pg_operator'::regclass, o.oid, oprowner, NULL, NULL FROM pg_operator o JOIN own ON own.oid = oprnamespace
     WHERE oprcode <> 0
    UNION ALL
    SELECT 'pg_opclass'::regclass, o.oid, opcowner, NULL, NULL FROM pg_opclass o JOIN own ON own.oid = opcnamespace
    UNION ALL
    SELECT 'pg_opfamily'::regclass, o.oid, opfowner, NULL, NULL FROM pg_opfamily o JOIN own ON own.oid = opfnamespace
    UNION ALL
    SELECT 'pg_collation'::regclass, c.oid, collowner, NULL, NULL FROM pg_collation c JOIN own ON own.oid = collnamespace
    UNION ALL
    SELECT 'pg_conversion'::regclass, c.oid, conowner, NULL, NULL FROM pg_conversion c
      JOIN own ON own.oid = connamespace
    UNION ALL
    SELECT 'pg_statistic_ext'::regclass, s.oid, stxowner, NULL, NULL FROM pg_statistic_ext s
      JOIN own ON own.oid = stxnamespace
    UNION ALL
    SELECT 'pg_ts_config'::regclass, c.oid, cfgowner, NULL, NULL FROM pg_ts_config c JOIN own ON own.oid = cfgnamespace
    UNION ALL
    SELECT 'pg_ts_dict'::regclass, d.oid, dictowner, NULL, NULL FROM pg_ts_dict d JOIN own ON own.oid = dictnamespace
    UNION ALL
    SELECT 'pg_publication'::regclass, oid, pubowner, NULL, NULL FROM pg_publication
    UNION ALL
    SELECT 'pg_subscription'::regclass, s.oid, subowner, NULL, NULL FROM pg_subscription s
      JOIN pg_database d ON d.oid = subdbid AND datname = current_database()
    UNION ALL
    SELECT 'pg_event_trigger'::regclass, oid, evtowner, NULL, NULL FROM pg_event_trigger
    UNION ALL
    SELECT 'pg_extension'::regclass, oid, NULL, NULL, NULL FROM pg_extension
    UNION ALL
    SELECT 'pg_am'::regclass, oid, NULL, NULL, NULL FROM pg_am
    UNION ALL
    SELECT 'pg_cast'::regclass, oid, NULL, NULL, NULL FROM pg_cast
    UNION ALL
    SELECT 'pg_transform'::regclass, oid, NULL, NULL, NULL FROM pg_transform
    UNION ALL
    SELECT 'pg_user_mapping'::regclass, umid, NULL, NULL, NULL FROM pg_user_mappings
    UNION ALL
    SELECT 'pg_constraint'::regclass, c.oid, NULL, NULL, NULL FROM pg_constraint c JOIN own ON own.oid = connamespace
     WHERE contype <> 'n' AND (contype <> 'f' OR conparentid = 0)
       AND (conrelid = 0 OR conrelid IN (SELECT oid FROM relation))
    UNION ALL
    SELECT 'pg_trigger'::regclass, t.oid, NULL, NULL, NULL FROM pg_trigger t JOIN relation ON relation.oid = tgrelid
     WHERE NOT tgisinternal
    UNION ALL
    SELECT 'pg_policy'::regclass, p.oid, NULL, NULL, NULL FROM pg_policy p JOIN relation ON relation.oid = polrelid
    UNION ALL
    SELECT 'pg_rewrite'::regclass, r.oid, NULL, NULL, NULL FROM pg_rewrite r JOIN relation ON relation.oid = ev_class
    UNION ALL
    SELECT 'pg_attrdef'::regclass, d.oid, NULL, NULL, NULL FROM pg_attrdef d JOIN relation ON relation.oid = adrelid
), listed (type, part, owner, acl) AS (
    SELECT i.type, identity, pg_get_userbyid(owner), coalesce(acl, acldefault(kind::"char", owner))
      FROM object, pg_identify_object(class, oid, 0) i
     WHERE (oid >= 16384 OR class = 'pg_namespace'::regclass)
       AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = class AND objid = oid AND deptype = 'e')
), grants (type, part) AS (
    SELECT type, concat_ws('|', part, owner, (SELECT string_agg(g::text, ',' ORDER BY g::text COLLATE "C")
                                                FROM unnest(acl) g))
      FROM listed WHERE owner IS NOT NULL
    UNION ALL
    SELECT i.type, concat_ws('|', identity, (SELECT string_agg(g::text, ',' ORDER BY g::text COLLATE "C")
                                               FROM unnest(attacl) g))
      FROM relation JOIN pg_attribute ON attrelid = oid AND attnum > 0,
           pg_identify_object('pg_class'::regclass, oid, attnum) i
     WHERE attacl <> '{}' AND NOT attisdropped
), digests (of, type, count, sha256) AS (
    SELECT of, type, count(*), encode(sha256(convert_to(string_agg(part, E'\n' ORDER BY part COLLATE "C"), 'UTF8')), 'hex')
      FROM (SELECT 'objects', type, part FROM listed UNION ALL SELECT 'grants', type, part FROM grants)
           AS parts (of, type, part)
     GROUP BY of, type
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
    'provider', to_jsonb(d) ->> 'datlocprovider',
    'locale', coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale'),
    'rules', to_jsonb(d) ->> 'daticurules',
    'large_objects', (SELECT count(*) FROM pg_largeobject_metadata),
    'objects', (SELECT coalesce(json_object_agg(type, json_build_array(count, sha256) ORDER BY type), '{}')
                  FROM digests WHERE of = 'objects'),
    'grants', (SELECT coalesce(json_object_agg(type, json_build_array(count, sha256) ORDER BY type), '{}')
                 FROM digests WHERE of = 'grants'))
  FROM pg_database d WHERE datname = current_database()
