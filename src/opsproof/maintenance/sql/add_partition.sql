-- Creates a partition like the newest one and attaches it, in one transaction.
--
-- `parent` gets the partition `name` from `start` to `finish`. The template is the partition with OID `sibling`:
-- storage, column settings, privileges, row-level security, publications and replica identity are copied; lacking.sql
-- reports the rest. CREATE and ATTACH in separate statements block no reads or writes of the parent; only a default
-- partition, and tables referenced by foreign keys, are locked for a moment. The server scans the default partition
-- meanwhile: lock wait and scan together take at most a second, a lock wait at most half of that.
BEGIN;
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
SELECT format('CREATE TABLE %s (LIKE %s INCLUDING ALL EXCLUDING IDENTITY)%s%s%s', :'fresh', :'parent',
              (SELECT format(' USING %I', amname) FROM pg_class JOIN pg_am a ON a.oid = relam WHERE pg_class.oid = :sibling),
              (SELECT format(' WITH (%s)', string_agg(format('%s%I = %L', prefix, option_name, option_value), ', '))
                 FROM pg_class c LEFT JOIN pg_class t ON t.oid = c.reltoastrelid,
                      LATERAL (SELECT '' AS prefix, * FROM pg_options_to_table(c.reloptions)
                                UNION ALL SELECT 'toast.', * FROM pg_options_to_table(t.reloptions)) each
                WHERE c.oid = :sibling HAVING count(*) > 0),
              (SELECT format(' TABLESPACE %I', spcname) FROM pg_class JOIN pg_tablespace t ON t.oid = reltablespace
                WHERE pg_class.oid = :sibling))
\gexec
\if :superuser
SELECT format('ALTER TABLE %s OWNER TO %I', :'fresh', :'owner') \gexec
\endif
SELECT format('ALTER TABLE %s ALTER %I %s', :'fresh', s.attname, how)
  FROM pg_attribute s JOIN pg_attribute f ON f.attrelid = :'fresh'::regclass AND f.attname = s.attname,
       LATERAL (VALUES
           (CASE WHEN s.attnotnull AND NOT f.attnotnull THEN 'SET NOT NULL' END),
           (CASE WHEN s.attstattarget IS DISTINCT FROM f.attstattarget
                 THEN 'SET STATISTICS ' || coalesce(s.attstattarget, -1) END),
           (CASE WHEN s.attstorage <> f.attstorage THEN 'SET STORAGE ' || CASE s.attstorage
                 WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END END),
           (CASE WHEN s.attcompression <> f.attcompression THEN 'SET COMPRESSION ' || CASE s.attcompression
                 WHEN 'p' THEN 'pglz' WHEN 'l' THEN 'lz4' ELSE 'default' END END),
           ((SELECT format('SET (%s)', string_agg(format('%I = %L', option_name, option_value), ', '))
               FROM pg_options_to_table(s.attoptions) HAVING count(*) > 0))) t (how)
 WHERE s.attrelid = :sibling AND s.attnum > 0 AND NOT s.attisdropped AND how IS NOT NULL
\gexec
SELECT format('REVOKE ALL ON %s FROM %s', :'fresh', CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END)
  FROM pg_class, aclexplode(relacl) WHERE oid = :'fresh'::regclass AND grantee <> relowner AND :sibling <> 0
 GROUP BY grantee
\gexec
SELECT format('GRANT %s%s ON %s TO %s%s', privilege_type, part, :'fresh',
              CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
              CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
  FROM pg_class, LATERAL (SELECT '' AS part, relacl AS held
                           UNION ALL SELECT format(' (%I)', attname), attacl FROM pg_attribute
                                      WHERE attrelid = pg_class.oid AND NOT attisdropped) each, aclexplode(held)
 WHERE oid = :sibling AND grantee <> relowner
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
              ' USING (' || pg_get_expr(polqual, polrelid) || ')', ' WITH CHECK (' || pg_get_expr(polwithcheck, polrelid) || ')')
  FROM pg_policy WHERE polrelid = :sibling
\gexec
SELECT format('ALTER TABLE %s REPLICA IDENTITY %s', :'fresh', CASE relreplident WHEN 'f' THEN 'FULL' ELSE 'NOTHING' END)
  FROM pg_class WHERE oid = :sibling AND relreplident IN ('f', 'n')
\gexec
-- Only whole-table publications: row filters and column lists came with PostgreSQL 15; older catalogs lack the columns.
SELECT format('ALTER PUBLICATION %I ADD TABLE %s', pubname, :'fresh')
  FROM pg_publication_rel r JOIN pg_publication p ON p.oid = prpubid, to_jsonb(r) each
 WHERE prrelid = :sibling AND coalesce(each ->> 'prqual', each ->> 'prattrs') IS NULL AND pg_has_role(pubowner, 'USAGE')
\gexec
SET LOCAL statement_timeout = '1s';
SET LOCAL lock_timeout = '500ms';
SELECT format('ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM (%L) TO (%L)', :'parent', :'fresh', :'start', :'finish')
\gexec
SELECT format('ALTER TABLE %s REPLICA IDENTITY USING INDEX %I', :'fresh', relname)
  FROM pg_index s JOIN pg_inherits older ON older.inhrelid = s.indexrelid
  JOIN pg_inherits newer ON newer.inhparent = older.inhparent
  JOIN pg_index f ON f.indexrelid = newer.inhrelid JOIN pg_class ON pg_class.oid = f.indexrelid
 WHERE s.indrelid = :sibling AND s.indisreplident AND f.indrelid = :'fresh'::regclass
\gexec
COMMIT;
