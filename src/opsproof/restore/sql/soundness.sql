-- Which constraints are NOT VALID, which indexes are invalid, and which vector indexes fail to answer a query?
-- Prints a line of JSON for each: ["constraint", NAME], ["index", NAME], ["vector", NAME, ANSWER] for every vector
-- index; then ["end"]. Creates nothing, so that no event trigger fires. Queries no table whose indexes or statistics use
-- functions or types of the database: planning and running the query would run them.
SET row_security = off;
SET statement_timeout = 0;
SET enable_seqscan = off;
SET enable_sort = off;
SET enable_bitmapscan = off;
SET constraint_exclusion = off;

DO $$
DECLARE
    index record;
    source text;
    plan json;
    found int;
    answer text;
    answers json[] := '{}';
BEGIN
    FOR index IN
        SELECT c.oid, relname, pg_get_indexdef(c.oid, 1, true) AS vector, indrelid::regclass AS relation,
               coalesce(pg_get_expr(indpred, indrelid), 'true') AS predicate,
               (SELECT format('OPERATOR(%I.%s)', nspname, oprname)
                  FROM pg_opclass o JOIN pg_amop ON amopfamily = opcfamily AND amoppurpose = 'o' AND amoplefttype = opcintype
                  JOIN pg_operator p ON p.oid = amopopr JOIN pg_namespace n ON n.oid = oprnamespace
                 WHERE o.oid = indclass[0] LIMIT 1) AS distance,
               EXISTS (SELECT FROM pg_depend d
                        WHERE refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass, 'pg_type'::regclass)
                          AND ((classid = 'pg_class'::regclass
                                AND objid IN (SELECT i.indexrelid FROM pg_index i WHERE i.indrelid = pg_index.indrelid))
                               OR (classid = 'pg_statistic_ext'::regclass
                                   AND objid IN (SELECT s.oid FROM pg_statistic_ext s WHERE stxrelid = indrelid)))
                          AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = d.refclassid AND e.objid = d.refobjid
                                                                    AND e.deptype = 'e')) AS runs_code
          FROM pg_class c JOIN pg_index ON indexrelid = c.oid JOIN pg_am a ON a.oid = relam
         WHERE relkind = 'i' AND amname IN ('ivfflat', 'hnsw')
    LOOP
        IF index.runs_code THEN
            answers := answers || json_build_array('vector', index.oid::regclass, 'runs code');
            CONTINUE;
        END IF;
        BEGIN
            -- A vector without a distance to itself, such as zero by cosine, is in no index.
            source := format('FROM ONLY %1$s WHERE %2$s %3$s %2$s < ''NaN'' AND (%4$s)', index.relation, index.vector,
                             index.distance, index.predicate);
            EXECUTE format('SELECT 1 %s LIMIT 1', source) INTO found;
            answer := 'is empty';
            IF found IS NOT NULL THEN
                source := format('SELECT 1 FROM ONLY %1$s WHERE (%4$s) ORDER BY %2$s %3$s (SELECT %2$s %5$s LIMIT 1) LIMIT 1',
                                 index.relation, index.vector, index.distance, index.predicate, source);
                EXECUTE 'EXPLAIN (FORMAT JSON) ' || source INTO plan;
                answer := 'is not used';
                IF position(format('"Index Name": %s', to_json(index.relname)) IN plan::text) > 0 THEN
                    EXECUTE source INTO found;
                    answer := CASE WHEN found IS NULL THEN 'gives no row' ELSE 'answers' END;
                END IF;
            END IF;
        EXCEPTION WHEN OTHERS THEN
            answer := SQLERRM;
        END;
        answers := answers || json_build_array('vector', index.oid::regclass, answer);
    END LOOP;
    PERFORM set_config('opsproof.answers', array_to_json(answers)::text, false);
END
$$;

SELECT json_build_array('constraint', format('%s of %s', conname, coalesce(nullif(conrelid, 0)::regclass::text,
                                                                           contypid::regtype::text)))
  FROM pg_constraint WHERE NOT convalidated;
SELECT json_build_array('index', oid::regclass) FROM pg_class JOIN pg_index ON indexrelid = oid
 WHERE relkind = 'i' AND NOT (indisvalid AND indisready AND indislive);
SELECT value FROM json_array_elements(current_setting('opsproof.answers')::json);
SELECT '["end"]';
