-- What does pg_dump leave out of the database without an error when the role $1 dumps, as [kind, name] in JSON?
WITH role AS (
    SELECT oid, rolsuper FROM pg_roles WHERE rolname = $1
), member AS (
    SELECT classid, objid FROM pg_depend WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
), relation AS (
    SELECT c.oid, relkind, relpersistence, concat_ws('.', nspname, relname) AS name,
           EXISTS (SELECT FROM member WHERE classid = 'pg_class'::regclass AND objid = c.oid) AS is_member
      FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
     WHERE relkind IN ('r', 'f', 'm') AND nspname !~ '^pg_' AND nspname <> 'information_schema'
), built (class, oid) AS (
    SELECT 'pg_proc'::regclass, oid FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace
    UNION ALL
    SELECT 'pg_operator'::regclass, oid FROM pg_operator WHERE oprnamespace = 'pg_catalog'::regnamespace
    UNION ALL
    SELECT 'pg_type'::regclass, t.oid FROM pg_type t
     WHERE typnamespace = 'pg_catalog'::regnamespace AND typrelid = 0
       AND NOT EXISTS (SELECT FROM pg_type WHERE typarray = t.oid)
    UNION ALL
    SELECT 'pg_class'::regclass, oid FROM pg_class
     WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
), found (kind, name) AS (
    SELECT 'subscription', subname
      FROM role, pg_subscription JOIN pg_database d ON d.oid = subdbid
     WHERE datname = current_database() AND NOT rolsuper
    UNION ALL
    SELECT 'options of user mapping', concat_ws(' ', usename, 'on server', m.srvname)
      FROM role, pg_user_mappings m JOIN pg_foreign_server s ON s.oid = srvid
     WHERE NOT rolsuper
       AND NOT (umuser IN (0, role.oid) AND pg_has_role(role.oid, srvowner, 'USAGE'))
       AND NOT (umuser = role.oid AND has_server_privilege(role.oid, srvid, 'USAGE'))
    UNION ALL
    SELECT 'object', concat_ws(' ', type, identity)
      FROM built, pg_identify_object(class, oid, 0)
     WHERE oid >= 16384
       AND NOT EXISTS (SELECT FROM member WHERE classid = class AND objid = oid)
    UNION ALL
    SELECT 'rows of unlogged table', name FROM relation
     WHERE relpersistence = 'u' AND relkind = 'r' AND NOT is_member AND pg_is_in_recovery()
    UNION ALL
    SELECT 'passwords', 'of roles' FROM role WHERE NOT has_table_privilege(oid, 'pg_catalog.pg_authid', 'SELECT')
    UNION ALL
    SELECT 'rows of foreign table', name FROM relation WHERE relkind = 'f'
    UNION ALL
    SELECT 'rows of extension table', name FROM relation
     WHERE relkind = 'r' AND is_member AND pg_relation_size(oid) > 0
       AND NOT EXISTS (SELECT FROM pg_extension WHERE relation.oid = ANY (extconfig))
    UNION ALL
    SELECT 'replication slot', slot_name
      FROM pg_replication_slots WHERE database = current_database() AND NOT temporary
)
SELECT coalesce(jsonb_agg(jsonb_build_array(kind, name) ORDER BY kind, name), '[]') FROM found
