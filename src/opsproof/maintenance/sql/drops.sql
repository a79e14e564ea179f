-- Which statements drop and restore each index in `names`?
--
-- `names` is a JSON list of schema.index. One line of JSON: the DROP statement, the statements to restore the index,
-- the foreign keys that the index supports, and whether both lock all of a partitioned table.
WITH wanted AS (SELECT ord, said FROM json_array_elements_text(:'names') WITH ORDINALITY t (said, ord))
SELECT coalesce(json_agg(json_build_object(
        'name', said, 'locks', relkind = 'I',
        'drop', CASE WHEN conname IS NOT NULL THEN format('ALTER TABLE %s DROP CONSTRAINT %I;', indrelid::regclass, conname)
                     ELSE format('DROP INDEX%s %I.%I;', beside, nspname, relname) END,
        'back', CASE WHEN conname IS NOT NULL AND relkind = 'I'
                     THEN format('ALTER TABLE %s ADD CONSTRAINT %I %s;', indrelid::regclass, conname, pg_get_constraintdef(u.oid))
                     ELSE concat(regexp_replace(left(def, length(def) - length(condition)),
                                                '^CREATE (UNIQUE )?INDEX ("(?:[^"]|"")*"|\S+) ON (ONLY )?',
                                                format('CREATE \1INDEX%s \2 ON ', beside)),
                                 ' TABLESPACE ' || quote_ident(spcname), condition, ';',
                                 CASE WHEN conname IS NOT NULL
                                      THEN format(' ALTER TABLE %s ADD CONSTRAINT %I UNIQUE USING INDEX %I%s%s;',
                                                  indrelid::regclass, conname, relname,
                                                  CASE WHEN condeferrable THEN ' DEFERRABLE' END,
                                                  CASE WHEN condeferred THEN ' INITIALLY DEFERRED' END) END) END,
        'serves', (SELECT coalesce(json_agg(f.conname ORDER BY f.conname), '[]') FROM pg_constraint f
                    WHERE f.contype = 'f' AND f.conrelid = indrelid AND f.conkey[1] = indkey[0])) ORDER BY ord), '[]')
  FROM wanted CROSS JOIN pg_index
  JOIN pg_class c ON c.oid = indexrelid
  JOIN pg_namespace n ON n.oid = relnamespace AND nspname || '.' || relname = said
  LEFT JOIN pg_tablespace s ON s.oid = reltablespace
  LEFT JOIN pg_constraint u ON conindid = indexrelid AND contype = 'u'
 CROSS JOIN LATERAL (SELECT CASE relkind WHEN 'i' THEN ' CONCURRENTLY' ELSE '' END) how (beside)
 CROSS JOIN LATERAL (SELECT pg_get_indexdef(indexrelid), coalesce(' WHERE ' || pg_get_expr(indpred, indrelid), '')) parts
       (def, condition);
