-- Why can the role not build `replacement` beside the index with OID `oid`, and swap the names? One JSON list of sentences.
WITH old AS (
    SELECT n.oid AS home, nspname, indrelid, reltablespace
      FROM pg_class c JOIN pg_index ON indexrelid = c.oid JOIN pg_namespace n ON n.oid = relnamespace
     WHERE c.oid = :oid
), kind (letter, title) AS (
    VALUES ('r', 'table'), ('p', 'partitioned table'), ('v', 'view'), ('m', 'materialized view'), ('S', 'sequence'),
           ('f', 'foreign table'), ('i', 'index of another table'), ('I', 'partitioned index'), ('c', 'composite type')
)
SELECT coalesce(json_agg(why ORDER BY why), '[]')
  FROM (SELECT format('%I may not create or rename indexes in schema %I: GRANT CREATE ON SCHEMA %I TO %I', current_user,
                      nspname, nspname, current_user) AS why
          FROM old WHERE NOT has_schema_privilege(home, 'CREATE')
        UNION ALL
        SELECT format('%I may not create indexes in tablespace %I: GRANT CREATE ON TABLESPACE %I TO %I', current_user,
                      spcname, spcname, current_user)
          FROM old JOIN pg_tablespace s ON s.oid = reltablespace WHERE NOT has_tablespace_privilege(s.oid, 'CREATE')
        UNION ALL
        SELECT format('the name of the replacement, %I.%I, is taken by a %s: rename it', nspname, relname, title)
          FROM old JOIN pg_class c ON relnamespace = home AND relname = :'replacement' JOIN kind ON letter = relkind::text
         WHERE NOT EXISTS (SELECT FROM pg_index i WHERE indexrelid = c.oid AND i.indrelid = old.indrelid)) obstacle;
