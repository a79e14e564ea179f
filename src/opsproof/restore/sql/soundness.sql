-- Which constraints are NOT VALID, which indexes are invalid, and which vector indexes fail to answer a query?
-- Prints a line of JSON for each: ["constraint", NAME], ["index", NAME], ["vector", NAME, ANSWER] for every vector
-- index; then ["end"].
SET row_security = off;
SET statement_timeout = 0;

CREATE FUNCTION pg_temp.answer(index oid) RETURNS text LANGUAGE plpgsql
    SET enable_seqscan = off SET enable_sort = off SET enable_bitmapscan = off AS $$
DECLARE
    source text;
    distance text;
    vector text;
    plan json;
    found int;
BEGIN
    SELECT format('FROM ONLY %s WHERE %s IS NOT NULL AND (%s)', indrelid::regclass, pg_get_indexdef(index, 1, true),
                  coalesce(pg_get_expr(indpred, indrelid), 'true')),
           format('%s OPERATOR(%I.%s)', pg_get_indexdef(index, 1, true), nspname, oprname),
           pg_get_indexdef(index, 1, true)
      INTO STRICT source, distance, vector
      FROM pg_index JOIN pg_opclass c ON c.oid = indclass[0]
      JOIN pg_amop ON amopfamily = opcfamily AND amoppurpose = 'o' AND amoplefttype = opcintype
      JOIN pg_operator o ON o.oid = amopopr JOIN pg_namespace n ON n.oid = oprnamespace
     WHERE indexrelid = index LIMIT 1;
    EXECUTE format('SELECT 1 %s LIMIT 1', source) INTO found;
    IF found IS NULL THEN
        RETURN 'is empty';
    END IF;
    source := format('SELECT 1 %s ORDER BY %s (SELECT %s %s LIMIT 1) LIMIT 1', source, distance, vector, source);
    EXECUTE 'EXPLAIN (FORMAT JSON) ' || source INTO plan;
    IF position(format('"Index Name": %s', to_json((SELECT relname FROM pg_class WHERE oid = index))) IN plan::text) = 0
    THEN
        RETURN 'is not used';
    END IF;
    EXECUTE source INTO found;
    RETURN CASE WHEN found IS NULL THEN 'gives no row' ELSE 'answers' END;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLERRM;
END
$$;

SELECT json_build_array('constraint', format('%s of %s', conname, coalesce(nullif(conrelid, 0)::regclass::text,
                                                                           contypid::regtype::text)))
  FROM pg_constraint WHERE NOT convalidated;
SELECT json_build_array('index', oid::regclass) FROM pg_class JOIN pg_index ON indexrelid = oid
 WHERE relkind = 'i' AND NOT (indisvalid AND indisready AND indislive);
SELECT json_build_array('vector', c.oid::regclass, pg_temp.answer(c.oid))
  FROM pg_class c JOIN pg_am a ON a.oid = relam WHERE relkind = 'i' AND amname IN ('ivfflat', 'hnsw');
SELECT '["end"]';
