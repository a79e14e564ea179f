-- For each index of the list `names` of [schema, index], as one line of JSON: the statement that drops it, those that
-- bring it back, and the foreign keys that it serves.
SET search_path = pg_catalog;
WITH wanted AS (
    SELECT ord, each ->> 0 AS schema, each ->> 1 AS name FROM json_array_elements(:'names') WITH ORDINALITY t (each, ord))
SELECT coalesce(json_agg(json_build_object(
        'name', schema || '.' || name,
        'drop', CASE WHEN conname IS NOT NULL THEN format('ALTER TABLE %s DROP CONSTRAINT %I;', indrelid::regclass, conname)
                     ELSE format('DROP INDEX%s %I.%I;', beside, schema, name) END,
        'back', concat(regexp_replace(left(def, length(def) - length(condition)), '^CREATE (UNIQUE )?INDEX ',
                                      format('CREATE \1INDEX%s ', beside)),
                       ' TABLESPACE ' || quote_ident(spcname), condition, ';',
                       CASE WHEN conname IS NOT NULL
                            THEN format(' ALTER TABLE %s ADD CONSTRAINT %I UNIQUE USING INDEX %I%s%s;',
                                        indrelid::regclass, conname, name,
                                        CASE WHEN condeferrable THEN ' DEFERRABLE' END,
                                        CASE WHEN condeferred THEN ' INITIALLY DEFERRED' END) END),
        'serves', (SELECT coalesce(json_agg(f.conname ORDER BY f.conname), '[]') FROM pg_constraint f
                    WHERE f.contype = 'f' AND f.conrelid = indrelid AND f.conkey[1] = indkey[0])) ORDER BY ord), '[]')
  FROM wanted JOIN pg_namespace ON nspname = schema
  JOIN pg_class c ON relnamespace = pg_namespace.oid AND relname = name
  JOIN pg_index ON indexrelid = c.oid
  LEFT JOIN pg_tablespace s ON s.oid = reltablespace
  LEFT JOIN pg_constraint u ON conindid = indexrelid AND contype = 'u'
 CROSS JOIN LATERAL (SELECT CASE relkind WHEN 'i' THEN ' CONCURRENTLY' ELSE '' END) how (beside)
 CROSS JOIN LATERAL (SELECT pg_get_indexdef(indexrelid), coalesce(' WHERE ' || pg_get_expr(indpred, indrelid), '')) parts
       (def, condition);
