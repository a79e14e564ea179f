-- Copies owner, privileges, settings, connection limit and use as a template from the database `live` to the database `fresh`.
-- Prints true if both databases then have the same.
SELECT format('ALTER DATABASE %I OWNER TO %I', :'fresh', pg_get_userbyid(datdba)),
       format('ALTER DATABASE %I CONNECTION LIMIT %s', :'fresh', datconnlimit),
       format('ALTER DATABASE %I IS_TEMPLATE %s', :'fresh', datistemplate::text),
       format('ALTER DATABASE %I RESET ALL', :'fresh'),
       format('REVOKE ALL ON DATABASE %I FROM PUBLIC, %I', :'fresh', pg_get_userbyid(datdba))
  FROM pg_database WHERE datname = :'live'
\gexec

-- Grants each privilege as the original grantor; grants by the owner come first, as later grants depend on them.
SELECT format('SET ROLE %I', pg_get_userbyid(grantor)),
       format('GRANT %s ON DATABASE %I TO %s%s', privilege_type, :'fresh',
              CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
              CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END),
       'RESET ROLE'
  FROM pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba)))
 WHERE datname = :'live' ORDER BY grantor <> datdba, NOT is_grantable
\gexec

-- Copies settings. Lists of names keep their quoting by SET FROM CURRENT; no other setting takes effect in this session:
-- a timeout would end it, a role change its rights.
SELECT 'BEGIN',
       CASE WHEN listed THEN format('SELECT set_config(%L, %L, true)', name, value) END,
       format('%s SET %s %s', CASE setrole WHEN 0 THEN format('ALTER DATABASE %I', :'fresh')
                                        ELSE format('ALTER ROLE %I IN DATABASE %I', pg_get_userbyid(setrole), :'fresh') END,
              (SELECT string_agg(quote_ident(part), '.' ORDER BY n)
                 FROM unnest(string_to_array(name, '.')) WITH ORDINALITY AS parts (part, n)),
              CASE WHEN listed THEN 'FROM CURRENT' ELSE format('TO %L', value) END),
       'COMMIT'
  FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase,
       unnest(setconfig) AS setting,
       LATERAL (SELECT split_part(setting, '=', 1), substr(setting, position('=' IN setting) + 1)) AS s (name, value),
       -- https://github.com/postgres/postgres/blob/master/src/bin/pg_dump/dumputils.c: variable_is_guc_list_quote
       LATERAL (SELECT name IN ('local_preload_libraries', 'search_path', 'session_preload_libraries',
                                'temp_tablespaces')) AS l (listed)
 WHERE datname = :'live'
\o /dev/null
\gexec
\o

SELECT to_json(count(DISTINCT (owner, datconnlimit, datistemplate, privileges, settings)) = 1)
  FROM (SELECT pg_get_userbyid(datdba) AS owner, datconnlimit, datistemplate,
               (SELECT string_agg(a::text, ' ' ORDER BY a::text)
                  FROM aclexplode(coalesce(datacl, acldefault('d', datdba))) a) AS privileges,
               (SELECT string_agg(format('%s %s', setrole, setting), E'\n' ORDER BY setrole, setting)
                  FROM pg_db_role_setting, unnest(setconfig) setting WHERE setdatabase = d.oid) AS settings
          FROM pg_database d WHERE datname IN (:'live', :'fresh')) both_of_them;
