-- How large is the database, and may the role read all rows, tables, large objects and password hashes?
SELECT json_build_object(
    'bytes', pg_database_size(current_database()),
    'version_num', current_setting('server_version_num')::int,
    'sees_all_rows', (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user),
    'sees_passwords', has_table_privilege('pg_catalog.pg_authid', 'SELECT'),
    'unreadable', coalesce((
        SELECT json_agg(format('%I.%I', nspname, relname) ORDER BY nspname, relname)
          FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
         WHERE relkind IN ('r', 'p', 'm', 'S') AND nspname !~ '^pg_' AND nspname <> 'information_schema'
           AND NOT EXISTS (SELECT FROM pg_depend
                            WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e')
           AND NOT (has_schema_privilege(n.oid, 'USAGE') AND CASE relkind
                    WHEN 'S' THEN has_sequence_privilege(c.oid, 'SELECT')
                    ELSE has_table_privilege(c.oid, 'SELECT') END)), '[]'),
    'alien_large_objects', CASE WHEN (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN 0
        ELSE (SELECT count(*) FROM pg_largeobject_metadata
               WHERE NOT pg_has_role(lomowner, 'USAGE')
                 AND NOT EXISTS (SELECT FROM aclexplode(lomacl) WHERE privilege_type = 'SELECT'
                                    AND (grantee = 0 OR pg_has_role(grantee, 'USAGE')))) END)
