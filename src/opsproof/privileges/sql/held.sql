-- Which rights does the monitoring role lack, and which does it have that no round needs?
SELECT pg_has_role('pg_monitor', 'USAGE') AS monitors,
       has_column_privilege('pg_catalog.pg_statistic', 'stawidth', 'SELECT') AS sees_widths,
       (SELECT coalesce(json_agg(format('%I.%I', nspname, relname) ORDER BY nspname, relname), '[]')
          FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
         WHERE relpersistence = 'p' AND nspname !~ '^pg_'
           AND CASE relkind WHEN 'S' THEN NOT has_sequence_privilege(c.oid, 'SELECT') END) AS closed_sequences,
       (SELECT coalesce(json_agg(name ORDER BY name), '[]')
          FROM pg_roles,
               LATERAL (VALUES ('SUPERUSER', rolsuper), ('CREATEROLE', rolcreaterole), ('CREATEDB', rolcreatedb),
                               ('REPLICATION', rolreplication), ('BYPASSRLS', rolbypassrls)) AS attribute (name, has)
         WHERE rolname = current_user AND has) AS attributes,
       (SELECT coalesce(json_agg(roleid::regrole::text ORDER BY roleid::regrole::text), '[]')
          FROM pg_auth_members
         WHERE member = current_user::regrole AND roleid <> 'pg_monitor'::regrole) AS roles,
       (SELECT coalesce(json_agg(format('%I.%I', nspname, relname) ORDER BY nspname, relname), '[]')
          FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
         WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND nspname !~ '^pg_' AND nspname <> 'information_schema'
           AND EXISTS (SELECT FROM aclexplode(relacl) WHERE grantee = current_user::regrole)) AS tables
