-- Measures the recall of vector indexes for a monitor without access to rows. Run as a superuser in each database with
-- a vector index. Row-level security would hide rows from the comparison; so the functions belong to a role that
-- bypasses policies, cannot log in, and may read only the columns granted at the end. The monitor may call only
-- vector_recall, which returns counts and names of indexes, never a row.
SET search_path = pg_catalog, pg_temp;
DO $$
BEGIN
    -- The owner of a schema can replace the functions in the schema, and so gain the rights of their callers.
    IF EXISTS (SELECT FROM pg_namespace JOIN pg_roles r ON r.oid = nspowner WHERE nspname = 'opsproof' AND NOT rolsuper)
       OR EXISTS (SELECT FROM pg_namespace, aclexplode(nspacl) WHERE nspname = 'opsproof' AND privilege_type = 'CREATE'
                                                                 AND grantee <> nspowner) THEN
        RAISE EXCEPTION 'others may create objects in schema opsproof: inspect and drop the schema, then run this again';
    END IF;
    IF to_regrole('opsproof_recall') IS NULL THEN
        CREATE ROLE opsproof_recall NOLOGIN BYPASSRLS;
    END IF;
END
$$;
CREATE SCHEMA IF NOT EXISTS opsproof;

-- Row positions (ctid), drawn uniformly with replacement: a random page, accepted with a probability proportional to
-- the number of rows in the page, and a random row of the page. Only the drawn pages are read.
CREATE OR REPLACE FUNCTION opsproof.random_places(of regclass, column_name text, wanted integer)
RETURNS tid[] LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    pages CONSTANT bigint := pg_relation_size(of) / current_setting('block_size')::integer;
    most CONSTANT integer := (SELECT CASE WHEN reltuples > 0 AND relpages > 0 THEN ceil(2 * reltuples / relpages) ELSE 100 END
                                FROM pg_class WHERE oid = of);
    in_page CONSTANT text := format('SELECT array_agg(ctid) FROM ONLY %s WHERE ctid >= $1 AND ctid < $2 AND %I IS NOT NULL',
                                    of, column_name);
    page bigint;
    held tid[];
    places tid[] := '{}';
BEGIN
    FOR attempt IN 1 .. 50 * wanted LOOP
        EXIT WHEN cardinality(places) >= wanted OR pages = 0;
        page := floor(random() * pages);
        EXECUTE in_page INTO held USING format('(%s,0)', page)::tid, format('(%s,0)', page + 1)::tid;
        IF cardinality(held) > random() * most THEN
            places := places || held[1 + floor(random() * cardinality(held))::integer];
        END IF;
    END LOOP;
    RETURN places;
END
$$;

-- The function and the owner of code that queries of a table could run with the rights of this role, or null: the planner
-- evaluates expressions of indexes, statistics and constraints. Functions of superusers are trusted. Tables that inherit
-- from this one are neither inspected nor queried.
CREATE OR REPLACE FUNCTION opsproof.foreign_code(of regclass)
RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE reached (class, oid) AS (
        SELECT 'pg_class'::regclass::oid, indexrelid FROM pg_index WHERE indrelid = of
        UNION
        SELECT 'pg_statistic_ext'::regclass, oid FROM pg_statistic_ext WHERE stxrelid = of
        UNION
        SELECT 'pg_constraint'::regclass, oid FROM pg_constraint WHERE conrelid = of AND contype = 'c'
        UNION
        SELECT next.class, next.oid
          FROM reached, LATERAL (
            SELECT refclassid, refobjid FROM pg_depend
             WHERE classid = reached.class AND objid = reached.oid
               AND refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass, 'pg_type'::regclass,
                                  'pg_opclass'::regclass, 'pg_opfamily'::regclass)
            UNION ALL
            SELECT 'pg_constraint'::regclass, c.oid FROM pg_constraint c
             WHERE reached.class = 'pg_type'::regclass AND contypid = reached.oid
          ) AS next (class, oid))
    SELECT format('%s of %s', p.oid::regprocedure, rolname)
      FROM reached JOIN pg_proc p ON p.oid = reached.oid JOIN pg_roles r ON r.oid = proowner
     WHERE reached.class = 'pg_proc'::regclass AND NOT rolsuper LIMIT 1
$$;

-- For each of `samples` random rows: the number of nearest neighbours found by the application's query with the chosen
-- plan, and the number by comparison with every row; a row is not its own neighbour. A pass over the table compares
-- many rows. No pass begins that would end after `budget_s` seconds, judged by the time of the previous pass. With a
-- `filter_name`, neighbours have the same value in the column. Each row has a plan of its own: if the planner prefers
-- another plan, the row is only counted, in `exact`. `usable` tells whether the planner could use the index at all.
-- Without a row to search for, `indexes` is null.
CREATE OR REPLACE FUNCTION opsproof.vector_recall(
    schema_name text, table_name text, index_name text, column_name text, distance text, neighbours integer,
    setting_name text, setting text, filter_name text, samples integer, budget_s double precision
)
RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET jit = off SET max_parallel_workers_per_gather = 0 AS $$
DECLARE
    started CONSTANT timestamptz := clock_timestamp();
    searched CONSTANT regclass := format('%I.%I', schema_name, table_name)::regclass;
    -- Only types made by a superuser: the owner of a table can change a column to a type with functions of the owner.
    type CONSTANT text := (SELECT format_type(atttypid, NULL) FROM pg_attribute JOIN pg_type t ON t.oid = atttypid
                             JOIN pg_depend ON classid = 'pg_type'::regclass AND objid = t.oid AND deptype = 'e'
                             JOIN pg_extension e ON refclassid = 'pg_extension'::regclass AND refobjid = e.oid
                            WHERE attrelid = searched AND attname = column_name AND extname = 'vector'
                              AND typname IN ('vector', 'halfvec', 'sparsevec'));
    home CONSTANT text := (SELECT quote_ident(nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = extnamespace
                            WHERE extname = 'vector');
    -- Unpacks a stored vector once per row, not once per comparison; pgvector has no such function for sparse vectors.
    unpacked CONSTANT text := format(CASE WHEN type LIKE '%sparsevec' THEN 't.%2$I' ELSE '%1$s.subvector(t.%2$I, 1, 16000)' END,
                                     home, column_name);
    operator CONSTANT text := CASE WHEN distance IN ('<->', '<#>', '<=>', '<+>')
                              THEN format('OPERATOR(%s.%s)', home, distance) END;
    group_type CONSTANT text := (SELECT format_type(atttypid, NULL) FROM pg_attribute JOIN pg_type t ON t.oid = atttypid
                                  WHERE attrelid = searched AND attname = filter_name
                                    AND typtype = 'b' AND typcategory <> 'A');
    row_at CONSTANT text := format('SELECT t.%I::text, %s::text FROM ONLY %s t WHERE ctid = $1', column_name,
                                   coalesce('t.' || quote_ident(nullif(filter_name, '')), 'NULL'), searched);
    search CONSTANT text := format(
        'SELECT t.%I %s $1::%s AS away FROM ONLY %s t WHERE ctid <> $2 AND %s ORDER BY 1 LIMIT %s', column_name, operator, type,
        searched, CASE filter_name WHEN '' THEN 'true' ELSE format('t.%I = $3::%s', filter_name, group_type) END, neighbours);
    comparison CONSTANT text := format($query$
        WITH asked AS MATERIALIZED (
            SELECT number, vector::%1$s AS vector, place, group_of, radius
              FROM unnest($1::text[], $2::tid[], $3::text[], $4::float8[]) WITH ORDINALITY
                   AS a (vector, place, group_of, radius, number)),
        closer AS (
            SELECT number, plain.vector %2$s asked.vector AS away
              FROM ONLY %3$s t CROSS JOIN LATERAL (SELECT %4$s AS vector OFFSET 0) AS plain
              JOIN asked ON plain.vector %2$s asked.vector < radius AND t.ctid <> place AND %5$s)
        SELECT number::integer, count(away)::integer AS there, (array_agg(away ORDER BY away))[%6$s] AS farthest
          FROM asked LEFT JOIN closer USING (number) GROUP BY number ORDER BY number
        $query$, type, operator, searched, unpacked,
        CASE filter_name WHEN '' THEN 'true' ELSE format('t.%I = group_of::%s', filter_name, group_type) END, neighbours);
    indexes CONSTANT jsonpath := 'strict $.**."Index Name"';
    held CONSTANT bigint := (SELECT greatest(reltuples, pg_stat_get_live_tuples(oid)) FROM pg_class
                              WHERE oid = searched AND relkind IN ('r', 'm'));
    materialising CONSTANT text := current_setting('enable_material');
    scanning CONSTANT text := current_setting('enable_seqscan');
    others CONSTANT text[] := '{enable_seqscan,enable_bitmapscan,enable_sort}';
    settings CONSTANT text[] := (SELECT array_agg(current_setting(name) ORDER BY number)
                                   FROM unnest(others) WITH ORDINALITY AS o (name, number));
    plan jsonb;
    used jsonb;
    usable boolean := false;
    exact integer := 0;
    drawn tid[];
    comparison_plan jsonb;
    size integer := 8;
    batch timestamptz;
    place tid;
    places tid[];
    vector text;
    vectors text[];
    group_of text;
    groups text[];
    away double precision[];
    radii double precision[];
    answers jsonb;
    result record;
    found integer[] := '{}';
    there integer[] := '{}';
BEGIN
    IF held IS NULL OR type IS NULL OR operator IS NULL THEN
        RAISE EXCEPTION '% is no table with a column % to order by %', searched, column_name, distance;
    END IF;
    IF opsproof.foreign_code(searched) IS NOT NULL THEN
        RAISE EXCEPTION '% calls %, which would run with the rights of %: a superuser must own the function', searched,
              opsproof.foreign_code(searched), current_user;
    END IF;
    IF filter_name <> '' AND group_type IS NULL THEN
        RAISE EXCEPTION '% has no column % of a base type to filter by', searched, filter_name;
    END IF;
    IF setting_name IN ('ivfflat.probes', 'hnsw.ef_search') THEN
        PERFORM set_config(setting_name, setting, true);
    END IF;
    WHILE size > 0 AND cardinality(found) < samples AND exact < 5 * samples LOOP
        batch := clock_timestamp();
        places := '{}'; vectors := '{}'; groups := '{}'; radii := '{}'; answers := '[]';
        drawn := opsproof.random_places(searched, column_name, least(size, samples - cardinality(found)));
        EXIT WHEN drawn = '{}';
        FOREACH place IN ARRAY drawn LOOP
            EXECUTE row_at INTO vector, group_of USING place;
            EXECUTE 'EXPLAIN (FORMAT JSON) ' || search INTO plan USING vector, place, group_of;
            IF used IS NULL OR NOT used ? index_name THEN
                used := jsonb_path_query_array(plan, indexes);
            END IF;
            IF NOT jsonb_path_query_array(plan, indexes) ? index_name THEN
                exact := exact + 1;
                IF exact = 1 THEN
                    PERFORM set_config(name, 'off', true) FROM unnest(others) AS name;
                    EXECUTE 'EXPLAIN (FORMAT JSON) ' || search INTO plan USING vector, place, group_of;
                    usable := jsonb_path_query_array(plan, indexes) ? index_name
                              AND current_setting('enable_indexscan')::boolean;
                    PERFORM set_config(name, setting_of, true) FROM unnest(others, settings) AS o (name, setting_of);
                END IF;
                CONTINUE;
            END IF;
            EXECUTE format('SELECT array_agg(away) FROM (%s) AS nearest', search) INTO away USING vector, place, group_of;
            places := places || place;
            vectors := vectors || vector;
            groups := groups || group_of;
            radii := radii || CASE cardinality(away) WHEN neighbours THEN away[neighbours] ELSE 'Infinity' END;
            answers := answers || jsonb_build_array(to_jsonb(coalesce(away, '{}')));
        END LOOP;
        PERFORM set_config('enable_material', 'off', true), set_config('enable_seqscan', 'on', true);
        IF comparison_plan IS NULL THEN
            EXECUTE 'EXPLAIN (FORMAT JSON) ' || comparison INTO comparison_plan USING vectors, places, groups, radii;
        END IF;
        FOR result IN EXECUTE comparison USING vectors, places, groups, radii LOOP
            there := there || CASE radii[result.number] WHEN 'Infinity' THEN least(result.there, neighbours) ELSE neighbours END;
            found := found || (SELECT count(*)::integer FROM jsonb_array_elements_text(answers -> result.number - 1) AS a
                                WHERE a::float8 <= coalesce(result.farthest, 'Infinity'));
        END LOOP;
        PERFORM set_config('enable_material', materialising, true), set_config('enable_seqscan', scanning, true);
        size := least(samples, floor(size * (budget_s - extract(epoch FROM clock_timestamp() - started))
                                     / extract(epoch FROM clock_timestamp() - batch)));
    END LOOP;
    RETURN jsonb_build_object(
        'rows', held, 'found', found, 'there', there, 'indexes', used, 'exact', exact, 'usable', usable,
        'compared_by', coalesce(jsonb_path_query_array(comparison_plan, indexes), '[]'));
END
$$;

ALTER FUNCTION opsproof.random_places OWNER TO opsproof_recall;
ALTER FUNCTION opsproof.foreign_code OWNER TO opsproof_recall;
ALTER FUNCTION opsproof.vector_recall OWNER TO opsproof_recall;
REVOKE EXECUTE ON FUNCTION opsproof.random_places, opsproof.foreign_code, opsproof.vector_recall FROM PUBLIC;
GRANT USAGE ON SCHEMA opsproof TO opsproof_recall, opsproof_monitor;
GRANT EXECUTE ON FUNCTION opsproof.vector_recall TO opsproof_monitor;
DO $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA %s TO opsproof_recall', (SELECT extnamespace::regnamespace FROM pg_extension
                                                                    WHERE extname = 'vector'));
END
$$;
