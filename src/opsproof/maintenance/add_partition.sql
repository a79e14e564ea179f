-- Makes the partition `name` of a table, from `start` to `finish`: all of it or nothing. It gets what the partition with
-- the number `sibling` has of its own: storage, owner, privileges, row-level security. It is made beside the table and then
-- attached, which keeps nobody from reading or writing; a default partition, and tables that foreign keys lead to, are
-- locked for the moment of that. The server looks through a default partition meanwhile: waiting and looking have a second
-- together, of which no lock is waited for longer than half.
BEGIN;
SET LOCAL search_path = pg_catalog;
SET LOCAL statement_timeout = '5s';
SELECT pg_get_userbyid(relowner) AS owner, format('%I.%I', :'schema', :'parent') AS parent,
       format('%I.%I', :'schema', :'name') AS fresh,
       (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS superuser
  FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = :'schema' AND relname = :'parent'
\gset
\if :superuser
\else
SET LOCAL ROLE :"owner";
\endif
SELECT format('CREATE TABLE %s (LIKE %s INCLUDING ALL EXCLUDING IDENTITY)%s%s', :'fresh', :'parent',
              (SELECT format(' WITH (%s)', string_agg(format('%I = %L', option_name, option_value), ', '))
                 FROM pg_class, pg_options_to_table(reloptions) WHERE oid = :sibling HAVING count(*) > 0),
              (SELECT format(' TABLESPACE %I', spcname) FROM pg_class JOIN pg_tablespace t ON t.oid = reltablespace
                WHERE pg_class.oid = :sibling))
\gexec
\if :superuser
SELECT format('ALTER TABLE %s OWNER TO %I', :'fresh', :'owner') \gexec
\endif
SELECT format('REVOKE ALL ON %s FROM %s', :'fresh', CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END)
  FROM pg_class, aclexplode(relacl) WHERE oid = :'fresh'::regclass AND grantee <> relowner AND :sibling <> 0
 GROUP BY grantee
\gexec
SELECT format('GRANT %s ON %s TO %s%s', privilege_type, :'fresh',
              CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
              CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
  FROM pg_class, aclexplode(relacl) WHERE oid = :sibling AND grantee <> relowner
\gexec
SELECT format('ALTER TABLE %s %s ROW LEVEL SECURITY', :'fresh', word)
  FROM pg_class, LATERAL (VALUES ('ENABLE', relrowsecurity), ('FORCE', relforcerowsecurity)) how (word, wanted)
 WHERE oid = :sibling AND wanted
\gexec
SELECT format('CREATE POLICY %I ON %s AS %s FOR %s TO %s%s%s', polname, :'fresh',
              CASE WHEN polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
              CASE polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
              (SELECT string_agg(CASE role WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(role)) END, ', ')
                 FROM unnest(polroles) role),
              format(' USING (%s)', pg_get_expr(polqual, polrelid)), format(' WITH CHECK (%s)', pg_get_expr(polwithcheck, polrelid)))
  FROM pg_policy WHERE polrelid = :sibling
\gexec
SET LOCAL statement_timeout = '1s';
SET LOCAL lock_timeout = '500ms';
SELECT format('ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM (%L) TO (%L)', :'parent', :'fresh', :'start', :'finish')
\gexec
COMMIT;
