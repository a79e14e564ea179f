-- Why can `owner` not create the tables `names` in `schema`, as partitions of `parent` like the one with OID `sibling`?
--
-- `names` is a JSON list. One JSON list of sentences. A superuser of the session needs no rights of the owner.
WITH home AS (
    SELECT n.oid, nspname, (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS superuser
      FROM pg_namespace n WHERE nspname = :'schema'
), kind (letter, title) AS (
    VALUES ('r', 'table'), ('p', 'partitioned table'), ('v', 'view'), ('m', 'materialized view'), ('S', 'sequence'),
           ('f', 'foreign table'), ('i', 'index'), ('I', 'partitioned index'), ('c', 'composite type')
), wanted AS (
    SELECT name, format('%I.%I', nspname, name) AS qualified, home.oid AS home
      FROM home, json_array_elements_text(:'names') name
)
SELECT coalesce(json_agg(why ORDER BY why), '[]')
  FROM (SELECT format('%s is taken by a %s, which is no partition of %I.%I: rename the %s', qualified, title, :'schema',
                      :'parent', title) AS why
          FROM wanted JOIN pg_class c ON relnamespace = home AND relname = name JOIN kind ON letter = relkind::text
         WHERE NOT EXISTS (SELECT FROM pg_inherits JOIN pg_class p ON p.oid = inhparent
                            WHERE inhrelid = c.oid AND p.relnamespace = home AND p.relname = :'parent')
        UNION ALL
        SELECT format('%s is taken by a type: rename the type', qualified)
          FROM wanted JOIN pg_type t ON typnamespace = home AND typname = name
         WHERE typrelid = 0 AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid)
        UNION ALL
        SELECT format('the name %s is longer than 63 bytes: create the partition by hand', qualified)
          FROM wanted WHERE octet_length(name) > 63
        UNION ALL
        SELECT format('%I may not create tables in schema %I: GRANT CREATE ON SCHEMA %I TO %I', :'owner', nspname, nspname,
                      :'owner')
          FROM home WHERE NOT superuser AND NOT has_schema_privilege(:'owner', oid, 'CREATE')
        UNION ALL
        SELECT format('%I may not create tables in tablespace %I: GRANT CREATE ON TABLESPACE %I TO %I', :'owner', spcname,
                      spcname, :'owner')
          FROM home, pg_class c JOIN pg_tablespace s ON s.oid = reltablespace
         WHERE c.oid = :sibling AND NOT superuser AND NOT has_tablespace_privilege(:'owner', s.oid, 'CREATE')) obstacle;
