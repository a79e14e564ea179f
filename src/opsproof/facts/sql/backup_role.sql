-- What keeps the role $1 from dumping the database: row-level security, missing grants, large objects of other roles?
-- Null columns: the role does not exist. Extensions dump only their configuration tables.
SELECT rolcanlogin AND has_database_privilege(role.oid, d.oid, 'CONNECT'),
       rolsuper OR rolbypassrls,
       (SELECT json_agg(format('%I.%I', nspname, relname) ORDER BY nspname, relname)
          FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
         WHERE relkind IN ('r', 'p', 'm', 'S') AND nspname !~ '^pg_' AND nspname <> 'information_schema'
           AND (NOT EXISTS (SELECT FROM pg_depend
                             WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e')
                OR EXISTS (SELECT FROM pg_extension WHERE c.oid = ANY (extconfig)))
           AND NOT (has_schema_privilege(role.oid, n.oid, 'USAGE') AND CASE relkind
                    WHEN 'S' THEN has_sequence_privilege(role.oid, c.oid, 'SELECT')
                    ELSE has_table_privilege(role.oid, c.oid, 'SELECT') END)),
       (SELECT json_agg(large.oid::text ORDER BY large.oid)
          FROM pg_largeobject_metadata large
         WHERE NOT rolsuper AND NOT pg_has_role(role.oid, lomowner, 'USAGE')
           AND NOT EXISTS (SELECT FROM aclexplode(lomacl)
                            WHERE privilege_type = 'SELECT'
                              AND (grantee = 0 OR pg_has_role(role.oid, grantee, 'USAGE'))))
  FROM pg_database d
  LEFT JOIN pg_roles role ON rolname = $1
 WHERE datname = current_database()
