-- Which kinds of definitions and values does a database have? Loaded by psql; older releases refuse some statements.

-- Roles, explicit privileges equal to the default, default privileges
CREATE ROLE zoo_keeper;
CREATE ROLE "zoo Über-""visitor";
GRANT zoo_keeper TO "zoo Über-""visitor";
CREATE SCHEMA cages AUTHORIZATION zoo_keeper;
CREATE SCHEMA "odd ""schema"" — ünïcode";
GRANT USAGE ON SCHEMA cages TO PUBLIC;
GRANT USAGE, CREATE ON SCHEMA "odd ""schema"" — ünïcode" TO zoo_keeper WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES IN SCHEMA cages GRANT SELECT ON TABLES TO "zoo Über-""visitor";
ALTER DEFAULT PRIVILEGES FOR ROLE zoo_keeper GRANT EXECUTE ON FUNCTIONS TO zoo_keeper;
ALTER DEFAULT PRIVILEGES FOR ROLE zoo_keeper REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE zoo_keeper REVOKE USAGE ON TYPES FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE zoo_keeper GRANT ALL ON SCHEMAS TO PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE zoo_keeper GRANT SELECT ON LARGE OBJECTS TO PUBLIC;
CREATE TABLE cages.acl_explicit (id int, secret text);
GRANT ALL ON cages.acl_explicit TO CURRENT_USER;
CREATE TABLE acl_revoked (id int, secret text);
GRANT SELECT ON acl_revoked TO PUBLIC;
REVOKE SELECT ON acl_revoked FROM PUBLIC;
CREATE TABLE acl_none (id int);
REVOKE ALL ON acl_none FROM CURRENT_USER;
CREATE TABLE acl_columns (id int, secret text);
GRANT SELECT (id), UPDATE (secret) ON acl_columns TO zoo_keeper WITH GRANT OPTION;
SET ROLE zoo_keeper;
GRANT SELECT (id) ON acl_columns TO "zoo Über-""visitor";
RESET ROLE;
CREATE TABLE acl_maintained (id int);
GRANT MAINTAIN ON acl_maintained TO zoo_keeper;
CREATE SEQUENCE acl_sequence;
GRANT USAGE, SELECT ON acl_sequence TO zoo_keeper;
CREATE TYPE acl_type AS ENUM ('one', 'it''s', 'Überraschung');
REVOKE USAGE ON TYPE acl_type FROM PUBLIC;
GRANT USAGE ON TYPE acl_type TO PUBLIC;
CREATE FUNCTION acl_function() RETURNS int LANGUAGE sql AS 'SELECT 1';
GRANT EXECUTE ON FUNCTION acl_function() TO zoo_keeper;
REVOKE EXECUTE ON FUNCTION acl_function() FROM PUBLIC;
GRANT USAGE ON LANGUAGE plpgsql TO zoo_keeper;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT CREATE ON SCHEMA public TO zoo_keeper;
CREATE TABLE owned (id int PRIMARY KEY);
ALTER TABLE owned OWNER TO "zoo Über-""visitor";
CREATE MATERIALIZED VIEW owned_copy AS SELECT * FROM acl_revoked;
ALTER MATERIALIZED VIEW owned_copy OWNER TO zoo_keeper;
GRANT SELECT ON acl_revoked TO zoo_keeper;

-- Extensions, in schemas of their own
CREATE SCHEMA tools;
CREATE EXTENSION hstore SCHEMA tools;
CREATE EXTENSION citext;
CREATE EXTENSION pg_trgm WITH SCHEMA tools;
CREATE EXTENSION btree_gist;
CREATE EXTENSION cube;
CREATE EXTENSION earthdistance;
CREATE EXTENSION ltree;
CREATE EXTENSION intarray;
CREATE EXTENSION isn;
CREATE EXTENSION seg;
CREATE EXTENSION unaccent;
CREATE EXTENSION fuzzystrmatch;
CREATE EXTENSION tablefunc;
CREATE EXTENSION bloom;
CREATE EXTENSION lo;
CREATE EXTENSION pageinspect;
CREATE EXTENSION pg_stat_statements;
CREATE EXTENSION vector;
COMMENT ON EXTENSION citext IS 'with a comment of its own';
GRANT EXECUTE ON FUNCTION citext_hash(citext) TO zoo_keeper;
CREATE TABLE extended (id int PRIMARY KEY, h tools.hstore, c citext UNIQUE, l ltree, k cube, s seg, i isbn13, a int[]);
INSERT INTO extended VALUES (1, 'a=>1, b=>NULL', 'Ünï', 'top.sub', '(1,2),(3,4)', '1 .. 2', '9780393040029', '{1,NULL,3}');
CREATE INDEX ON extended USING gin (h);
CREATE INDEX ON extended USING gist (h);
CREATE INDEX ON extended USING gin (c tools.gin_trgm_ops);
CREATE INDEX ON extended USING gist (l) WHERE l <@ 'top';
CREATE INDEX ON extended USING gist (k);
CREATE INDEX ON extended USING gin (a gin__int_ops);
CREATE INDEX ON extended USING bloom (id) WITH (length = 100, col1 = 5);
CREATE TABLE vectors (id int PRIMARY KEY, v vector(3), h halfvec(3), b bit(3));
INSERT INTO vectors SELECT i, ARRAY[i, 1, 2], ARRAY[i, 1, 2], i::bit(3) FROM generate_series(1, 50) i;
CREATE INDEX ON vectors USING hnsw (v vector_l2_ops) WITH (m = 8);
CREATE INDEX ON vectors USING ivfflat (v vector_cosine_ops) WITH (lists = 2);
CREATE INDEX ON vectors USING hnsw ((v::halfvec(3)) halfvec_l2_ops);
CREATE INDEX ON vectors USING hnsw (b bit_hamming_ops);

-- Types, domains, ranges, operators
CREATE DOMAIN named AS varchar(9) DEFAULT 'a' NOT NULL CHECK (VALUE IN ('a', 'b') AND VALUE <> 'c');
COMMENT ON CONSTRAINT named_check ON DOMAIN named IS 'of a domain';
CREATE DOMAIN renamed AS named COLLATE "C" CONSTRAINT "short ""one" CHECK (length(VALUE) BETWEEN 1 AND 3);
CREATE DOMAIN unproven AS int;
ALTER DOMAIN unproven ADD CONSTRAINT later CHECK (VALUE > 0) NOT VALID;
CREATE DOMAIN many AS int[] CHECK (array_length(VALUE, 1) > 0);
CREATE TYPE pair AS (a int, b text COLLATE "C", c named);
COMMENT ON COLUMN pair.a IS 'of a type';
ALTER TYPE pair ADD ATTRIBUTE d numeric(9, 2);
ALTER TYPE pair DROP ATTRIBUTE c;
CREATE TYPE span AS RANGE (subtype = float8, subtype_diff = float8mi);
CREATE TYPE text_span AS RANGE (subtype = text, collation = "C");
CREATE TYPE shell_only;
ALTER TYPE acl_type ADD VALUE 'zero' BEFORE 'one';
CREATE FUNCTION add_pair(pair, pair) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1.a + $2.a';
CREATE OPERATOR cages.=+= (FUNCTION = add_pair, LEFTARG = pair, RIGHTARG = pair, COMMUTATOR = OPERATOR(cages.=+=));
COMMENT ON OPERATOR cages.=+= (pair, pair) IS 'adds';
CREATE FUNCTION compared(int, int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT btint4cmp($2, $1)';
CREATE OPERATOR FAMILY backwards USING btree;
CREATE OPERATOR CLASS backwards_ops FOR TYPE int USING btree FAMILY backwards AS
    OPERATOR 1 > , OPERATOR 2 >= , OPERATOR 3 = , OPERATOR 4 <= , OPERATOR 5 < , FUNCTION 1 compared(int, int);
CREATE TABLE classed (id int);
INSERT INTO classed SELECT generate_series(1, 9);
CREATE INDEX ON classed (id backwards_ops DESC NULLS LAST);
CREATE AGGREGATE cages.summed (int) (SFUNC = int4pl, STYPE = int, INITCOND = '0', COMBINEFUNC = int4pl, PARALLEL = safe);
CREATE AGGREGATE ordered (VARIADIC "any" ORDER BY VARIADIC "any")
    (SFUNC = ordered_set_transition_multi, STYPE = internal, FINALFUNC = rank_final, FINALFUNC_EXTRA, HYPOTHETICAL);
CREATE CAST (pair AS text) WITH INOUT AS ASSIGNMENT;
CREATE CAST (span AS text) WITHOUT FUNCTION;
CREATE COLLATION plain (provider = libc, locale = 'C');
CREATE COLLATION numbered (provider = icu, locale = 'en-u-kn-true', deterministic = false);
CREATE COLLATION builtin_c (provider = builtin, locale = 'C.UTF-8');
CREATE TABLE collated (a text COLLATE plain, b text COLLATE "C" DEFAULT 'x');
CREATE INDEX ON collated (a COLLATE "C" text_pattern_ops, lower(b COLLATE plain));
CREATE CONVERSION cages.other FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
CREATE ACCESS METHOD heap2 TYPE TABLE HANDLER heap_tableam_handler;
CREATE TABLE by_method (id int PRIMARY KEY) USING heap2;
CREATE MATERIALIZED VIEW viewed_by_method USING heap2 AS SELECT * FROM by_method;
CREATE TRANSFORM FOR int LANGUAGE sql (FROM SQL WITH FUNCTION prsd_lextype(internal), TO SQL WITH FUNCTION int4recv(internal));

-- Tables: defaults, identity, generated columns, constraints, storage
CREATE TABLE plain_values (
    id bigint GENERATED ALWAYS AS IDENTITY (START 7 INCREMENT 3 CACHE 5 CYCLE MINVALUE 1 MAXVALUE 99) PRIMARY KEY,
    by_default smallint GENERATED BY DEFAULT AS IDENTITY,
    s serial,
    n numeric(12, 3) DEFAULT 'NaN',
    f float8 DEFAULT 'Infinity',
    r real DEFAULT 0.1,
    b bytea DEFAULT '\x00ff',
    j jsonb DEFAULT '{"ä": ["\u0001", null]}',
    x text DEFAULT E'back\\slash ''quote'' \t\n',
    t timestamptz DEFAULT '2026-07-01 02:00+02',
    d date DEFAULT 'infinity',
    i interval DEFAULT '-1 year 2 days -00:00:01.5',
    e acl_type DEFAULT 'it''s',
    m money DEFAULT 12.34,
    p point DEFAULT '(1,2)',
    a text[] DEFAULT ARRAY['a,b', NULL, '"', ''],
    g text GENERATED ALWAYS AS (upper(x)) STORED,
    bits bit varying(5) DEFAULT B'101',
    c "char" DEFAULT 'x',
    u uuid DEFAULT '00000000-0000-0000-0000-000000000001',
    range int4range DEFAULT '[1,5)',
    multi int4multirange DEFAULT '{[1,2),[3,4)}',
    composed pair DEFAULT ROW (1, 'x', 2.5),
    dom named
);
INSERT INTO plain_values DEFAULT VALUES;
INSERT INTO plain_values (n, f, x, i, a) SELECT -0.5, '-0', repeat('ü', 3000), '1.5 months', '{{1,2},{3,4}}';
CREATE TABLE virtual_columns (a int, b int GENERATED ALWAYS AS (a * 2) VIRTUAL);
INSERT INTO virtual_columns VALUES (1);
CREATE TABLE "Quoted ""Table" ("a ""b" int, "select" text, "ünï" int DEFAULT 1, "dropped" int, PRIMARY KEY ("a ""b"));
ALTER TABLE "Quoted ""Table" DROP COLUMN dropped;
ALTER TABLE "Quoted ""Table" ADD COLUMN later text DEFAULT 'filled' NOT NULL;
INSERT INTO "Quoted ""Table" VALUES (1, 'x', 2), (2, NULL, 3);
COMMENT ON TABLE "Quoted ""Table" IS E'it''s\na "comment" of two lines; -- Name: x; Type: TABLE';
COMMENT ON COLUMN "Quoted ""Table"."a ""b" IS '$$;';
CREATE TABLE constrained (
    id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED,
    a int NOT NULL CHECK (a BETWEEN 1 AND 5 OR a IN (7, 9)),
    b varchar(9) CHECK (b IN ('x', 'y') AND b NOT LIKE 'z%') NO INHERIT,
    c int4range,
    UNIQUE NULLS NOT DISTINCT (a, b),
    EXCLUDE USING gist (c WITH &&) WHERE (NOT isempty(c)) DEFERRABLE
);
CREATE TABLE constrained_14 (id int PRIMARY KEY, a int, b varchar(9), UNIQUE (a) INCLUDE (b) WITH (fillfactor = 70));
INSERT INTO constrained_14 VALUES (1, 1, 'x'), (2, 2, 'y');
CREATE TABLE referring (
    id int REFERENCES constrained_14 ON DELETE CASCADE ON UPDATE SET NULL,
    a int REFERENCES constrained_14 (a) MATCH FULL DEFERRABLE,
    b int
);
INSERT INTO referring VALUES (1, 2, NULL);
ALTER TABLE referring ADD CONSTRAINT unproven FOREIGN KEY (b) REFERENCES constrained_14 NOT VALID;
ALTER TABLE referring ADD CONSTRAINT unproven_check CHECK (b > 0) NOT VALID;
ALTER TABLE referring ADD CONSTRAINT unenforced CHECK (b > 1) NOT ENFORCED;
ALTER TABLE referring ADD CONSTRAINT unproven_null NOT NULL b NOT VALID;
CREATE TABLE set_columns (a int, b int, FOREIGN KEY (a) REFERENCES constrained_14 ON DELETE SET NULL (a));
CREATE TABLE temporal (id int, during daterange, PRIMARY KEY (id, during WITHOUT OVERLAPS));
CREATE TABLE stored (a text, b text, c text, d int) WITH (fillfactor = 50, autovacuum_enabled = false, toast.autovacuum_enabled = false);
ALTER TABLE stored ALTER a SET STORAGE EXTERNAL, ALTER b SET STATISTICS 500, ALTER b SET (n_distinct = -0.5);
ALTER TABLE stored ALTER c SET COMPRESSION pglz;
ALTER TABLE stored SET (parallel_workers = 3, user_catalog_table = true);
CREATE UNLOGGED TABLE unlogged (id serial PRIMARY KEY, t text);
INSERT INTO unlogged (t) VALUES ('kept');
ALTER TABLE stored REPLICA IDENTITY FULL;
CREATE TABLE identified (id int NOT NULL);
CREATE UNIQUE INDEX identifying ON identified (id);
ALTER TABLE identified REPLICA IDENTITY USING INDEX identifying;
ALTER TABLE identified CLUSTER ON identifying;
CREATE TABLE typed OF pair (a PRIMARY KEY, b WITH OPTIONS DEFAULT 'z');
CREATE TABLE no_columns ();
INSERT INTO no_columns DEFAULT VALUES;
CREATE TABLE parent (id int, s text, CHECK (id > 0));
CREATE TABLE child (more int, s text DEFAULT 'own') INHERITS (parent);
CREATE TABLE grandchild () INHERITS (child);
INSERT INTO grandchild VALUES (1, 'x', 2);

-- Partitions
CREATE TABLE parted (id int, at timestamptz, k text) PARTITION BY RANGE (at);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM ('2026-01-01 00:00+01') TO ('2026-07-01 00:00+02');
CREATE TABLE parted_2 (k text, extra_dropped int, id int NOT NULL, at timestamptz NOT NULL);
ALTER TABLE parted_2 DROP COLUMN extra_dropped;
ALTER TABLE parted ATTACH PARTITION parted_2 FOR VALUES FROM ('2026-07-01 00:00+02') TO (MAXVALUE);
CREATE TABLE parted_rest PARTITION OF parted DEFAULT PARTITION BY LIST (k);
CREATE TABLE parted_rest_a PARTITION OF parted_rest FOR VALUES IN ('a', NULL);
CREATE TABLE parted_rest_b PARTITION OF parted_rest DEFAULT PARTITION BY HASH (id);
CREATE TABLE parted_rest_b0 PARTITION OF parted_rest_b FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE parted_rest_b1 PARTITION OF parted_rest_b FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO parted VALUES (1, '2026-03-01', 'a'), (2, '2026-08-01', 'b'), (3, '2020-01-01', 'a'), (4, '2020-01-01', 'z');
CREATE INDEX parted_index ON parted (k) INCLUDE (id);
CREATE INDEX parted_only ON ONLY parted (lower(k));
CREATE INDEX parted_1_own ON parted_1 (lower(k));
ALTER INDEX parted_only ATTACH PARTITION parted_1_own;
CREATE TABLE by_expression (a int, b text) PARTITION BY RANGE ((a % 10), b COLLATE "C" text_pattern_ops);
CREATE TABLE by_expression_1 PARTITION OF by_expression FOR VALUES FROM (0, MINVALUE) TO (5, 'm');
CREATE FUNCTION noticed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER every_row BEFORE UPDATE ON parted FOR EACH ROW EXECUTE FUNCTION noticed();
CREATE TRIGGER every_row_after AFTER INSERT ON parted FOR EACH ROW WHEN (NEW.k IN ('a', 'b')) EXECUTE FUNCTION noticed('x', '1');
ALTER TABLE parted_1 DISABLE TRIGGER every_row;
ALTER TABLE parted_2 ENABLE ALWAYS TRIGGER every_row_after;
ALTER TABLE parted_rest_a ENABLE REPLICA TRIGGER every_row;
CREATE TABLE keyed (id int, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE keyed_1 PARTITION OF keyed FOR VALUES FROM ('2026-01-01') TO ('2026-07-01');
CREATE TABLE keyed_2 PARTITION OF keyed DEFAULT;
INSERT INTO keyed VALUES (1, '2026-03-01'), (2, '2026-08-01');
CREATE TABLE keyed_references (id int, at date, FOREIGN KEY (id, at) REFERENCES keyed) PARTITION BY HASH (id);
CREATE TABLE keyed_references_0 PARTITION OF keyed_references FOR VALUES WITH (MODULUS 1, REMAINDER 0);
INSERT INTO keyed_references VALUES (1, '2026-03-01');

-- Indexes and statistics
CREATE INDEX by_brin ON plain_values USING brin (t) WITH (pages_per_range = 4, autosummarize = on);
CREATE INDEX by_gin ON plain_values USING gin (j jsonb_path_ops) WITH (fastupdate = off);
CREATE INDEX by_hash ON plain_values USING hash (x);
CREATE INDEX by_spgist ON plain_values USING spgist (p);
CREATE UNIQUE INDEX by_expression_of ON plain_values ((lower(x)), (n + 1) DESC NULLS FIRST) WHERE id > 0 AND x IN ('a', 'b');
ALTER INDEX by_expression_of ALTER COLUMN 1 SET STATISTICS 77;
COMMENT ON INDEX by_brin IS 'of an index';
CREATE STATISTICS many_kinds (ndistinct, dependencies, mcv) ON n, f FROM plain_values;
CREATE STATISTICS of_expression ON (lower(x)), (n + 1) FROM plain_values;
ALTER STATISTICS many_kinds SET STATISTICS 55;
COMMENT ON STATISTICS many_kinds IS 'of statistics';

-- Views and rules
CREATE VIEW printed AS SELECT * FROM constrained_14 WHERE b IN ('x', 'y') AND a BETWEEN 1 AND 5 AND b <> '';
CREATE VIEW barred WITH (security_barrier = true, check_option = cascaded) AS SELECT id, a FROM constrained_14 WHERE a > 0;
CREATE VIEW invoked WITH (security_invoker = true) AS SELECT * FROM owned;
CREATE RECURSIVE VIEW counted (n) AS VALUES (1) UNION ALL SELECT n + 1 FROM counted WHERE n < 5;
CREATE VIEW windowed AS SELECT id, rank() OVER w AS r, (SELECT max(a) FROM constrained_14) AS m, EXTRACT(year FROM t) AS y,
    OVERLAY(x PLACING 'y' FROM 1) AS o, t AT TIME ZONE 'UTC' AS z, CASE WHEN id IN (1, 2) THEN 'a' END AS c
    FROM plain_values WINDOW w AS (PARTITION BY s ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW EXCLUDE TIES);
CREATE VIEW joined AS SELECT id, a.a, r.b, l.n FROM constrained_14 a FULL JOIN referring r USING (id) LEFT JOIN LATERAL (SELECT a.a + 1) l (n) ON true;
CREATE VIEW circular AS SELECT 1 AS id;
CREATE OR REPLACE VIEW circular AS SELECT id FROM owned GROUP BY id HAVING count(*) > 0;
CREATE VIEW by_key AS SELECT id, b, count(*) FROM constrained_14 GROUP BY id;
CREATE MATERIALIZED VIEW unfilled AS SELECT * FROM constrained_14 WITH NO DATA;
CREATE MATERIALIZED VIEW filled AS SELECT b NOT IN ('x') AS other, count(*) FROM constrained_14 GROUP BY 1;
CREATE UNIQUE INDEX ON filled (other);
ALTER VIEW printed ALTER COLUMN a SET DEFAULT 5;
ALTER VIEW printed ALTER COLUMN a DROP DEFAULT;
ALTER VIEW barred ALTER COLUMN a SET DEFAULT 5;
CREATE RULE protected AS ON DELETE TO constrained_14 WHERE OLD.b IN ('x', 'y') DO INSTEAD NOTHING;
CREATE RULE copied AS ON INSERT TO barred DO INSTEAD INSERT INTO constrained_14 VALUES (NEW.id, NEW.a, 'x') RETURNING id, a;
ALTER TABLE constrained_14 DISABLE RULE protected;
CREATE VIEW json_viewed AS SELECT JSON_OBJECT('a': id) AS o, JSON_ARRAYAGG(a) FROM constrained_14 GROUP BY id;
CREATE VIEW merged AS SELECT q.* FROM JSON_TABLE('[{"a": 1}]'::jsonb, '$[*]' COLUMNS (a int PATH '$.a' DEFAULT 0 ON EMPTY)) q;

-- Functions, procedures, triggers, row security
CREATE FUNCTION standard(a int, b text DEFAULT 'x''y', OUT c int, VARIADIC d int[] DEFAULT '{}') LANGUAGE sql
    STABLE STRICT SECURITY DEFINER PARALLEL RESTRICTED LEAKPROOF COST 7 SET search_path = public, pg_temp SET work_mem = '9MB'
    AS $body$ SELECT a + cardinality(d) $body$;
CREATE FUNCTION atomic(a int) RETURNS SETOF int ROWS 5 LANGUAGE sql
    BEGIN ATOMIC SELECT a WHERE a BETWEEN 1 AND 5; SELECT id FROM constrained_14 WHERE b IN ('x', 'y'); END;
CREATE FUNCTION returned() RETURNS TABLE (a int, b text) LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY SELECT 1, 'x'; END $$;
CREATE PROCEDURE done(INOUT a int) LANGUAGE plpgsql AS $$ BEGIN a := a + 1; COMMIT; END $$;
CREATE FUNCTION polymorphic(anycompatible, anycompatiblearray) RETURNS anycompatible LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION overloaded(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION overloaded("char") RETURNS int LANGUAGE sql AS 'SELECT 2';
COMMENT ON FUNCTION overloaded(int) IS 'of a function';
ALTER FUNCTION overloaded(int) DEPENDS ON EXTENSION citext;
CREATE TRIGGER changed AFTER UPDATE ON constrained_14 REFERENCING OLD TABLE AS o NEW TABLE AS n FOR EACH STATEMENT
    EXECUTE FUNCTION noticed();
ALTER TABLE constrained_14 DISABLE TRIGGER changed;
CREATE CONSTRAINT TRIGGER checked AFTER INSERT ON constrained_14 DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (NEW.b IN ('x', 'y')) EXECUTE FUNCTION noticed();
ALTER TABLE constrained_14 ENABLE ALWAYS TRIGGER checked;
CREATE TRIGGER instead INSTEAD OF UPDATE ON printed FOR EACH ROW EXECUTE FUNCTION noticed();
ALTER TABLE referring DISABLE TRIGGER ALL;
ALTER TABLE owned ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY mine ON owned AS RESTRICTIVE FOR UPDATE TO zoo_keeper, CURRENT_USER USING (id IN (1, 2)) WITH CHECK (id BETWEEN 1 AND 5 AND id <> 3);
CREATE POLICY everybody ON owned USING (EXISTS (SELECT FROM constrained_14 c WHERE c.id = owned.id));
COMMENT ON POLICY mine ON owned IS 'of a policy';
ALTER TABLE acl_none ENABLE ROW LEVEL SECURITY;

-- Text search
CREATE TEXT SEARCH DICTIONARY short (TEMPLATE = simple, stopwords = english, accept = false);
CREATE TEXT SEARCH CONFIGURATION cages.mixed (COPY = english);
ALTER TEXT SEARCH CONFIGURATION cages.mixed ALTER MAPPING FOR asciiword, word WITH short, english_stem;
CREATE TEXT SEARCH PARSER parsed (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype);
CREATE TEXT SEARCH TEMPLATE lexized (INIT = dsimple_init, LEXIZE = dsimple_lexize);
CREATE TABLE searched (t text, v tsvector GENERATED ALWAYS AS (to_tsvector('cages.mixed', t)) STORED);
INSERT INTO searched VALUES ('The quick foxes');
CREATE INDEX ON searched USING gin (v);

-- Foreign data, publications, subscriptions, large objects
CREATE FOREIGN DATA WRAPPER nowhere OPTIONS (a 'b''c');
CREATE SERVER far TYPE 'odd' VERSION '1.2' FOREIGN DATA WRAPPER nowhere OPTIONS (host 'x', "Odd Name" 'y');
CREATE USER MAPPING FOR CURRENT_USER SERVER far OPTIONS (user 'u', password 's3cret''s');
CREATE USER MAPPING FOR PUBLIC SERVER far;
CREATE FOREIGN TABLE away (id int OPTIONS (column_name 'x') NOT NULL, t text DEFAULT 'd', CHECK (id > 0)) SERVER far OPTIONS (table_name 't');
CREATE FOREIGN TABLE away_part PARTITION OF by_expression FOR VALUES FROM (5, 'm') TO (9, MAXVALUE) SERVER far;
GRANT SELECT ON away TO zoo_keeper;
GRANT USAGE ON FOREIGN SERVER far TO zoo_keeper;
GRANT USAGE ON FOREIGN DATA WRAPPER nowhere TO zoo_keeper;
ALTER FOREIGN TABLE away ALTER id SET STATISTICS 9;
CREATE EXTENSION postgres_fdw;
CREATE SERVER near FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '1', dbname 'x');
CREATE EXTENSION file_fdw;
CREATE PUBLICATION everything FOR ALL TABLES WITH (publish = 'insert, truncate', publish_via_partition_root = true);
CREATE PUBLICATION several FOR TABLE parent, ONLY child, parted;
CREATE PUBLICATION filtered FOR TABLE identified (id) WHERE (id BETWEEN 1 AND 5 AND id <> 3);
CREATE PUBLICATION by_schema FOR TABLES IN SCHEMA cages;
CREATE PUBLICATION generated FOR TABLE plain_values WITH (publish_generated_columns = stored);
COMMENT ON PUBLICATION several IS 'of a publication';
CREATE SUBSCRIPTION unconnected CONNECTION 'host=127.0.0.1 port=1 dbname=x password=s3cret' PUBLICATION several, "Odd ""one"
    WITH (connect = false, slot_name = NONE, binary = true, synchronous_commit = 'local');
COMMENT ON SUBSCRIPTION unconnected IS 'of a subscription';
SELECT lo_from_bytea(987654, '\x00010203');
SELECT lo_from_bytea(987655, convert_to(repeat('large', 2000), 'UTF8'));
COMMENT ON LARGE OBJECT 987654 IS 'of a large object';
GRANT SELECT ON LARGE OBJECT 987654 TO zoo_keeper;
ALTER LARGE OBJECT 987655 OWNER TO zoo_keeper;
SECURITY LABEL ON TABLE owned IS 'secret';

-- Event triggers, languages
CREATE TABLE tagged (at timestamptz DEFAULT now(), tag text);
CREATE FUNCTION tags() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.tagged (tag) VALUES (tg_tag); END $$;
CREATE EVENT TRIGGER starting ON ddl_command_start WHEN TAG IN ('CREATE TABLE', 'ALTER TABLE') EXECUTE FUNCTION tags();
CREATE EVENT TRIGGER ending ON ddl_command_end EXECUTE FUNCTION tags();
CREATE EVENT TRIGGER dropping ON sql_drop EXECUTE FUNCTION tags();
CREATE EVENT TRIGGER rewriting ON table_rewrite EXECUTE FUNCTION tags();
CREATE EVENT TRIGGER logging_in ON login EXECUTE FUNCTION tags();
ALTER EVENT TRIGGER ending ENABLE ALWAYS;
ALTER EVENT TRIGGER dropping DISABLE;
ALTER EVENT TRIGGER rewriting ENABLE REPLICA;
COMMENT ON EVENT TRIGGER starting IS 'of an event trigger';
CREATE FUNCTION called() RETURNS language_handler LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler';
CREATE LANGUAGE twice HANDLER called;
CREATE FUNCTION in_twice() RETURNS int LANGUAGE twice AS 'BEGIN RETURN 1; END';

-- Settings of the database and of roles
COMMENT ON DATABASE zoo IS E'of a database\nin two lines';
ALTER DATABASE zoo SET search_path = "odd ""schema"" — ünïcode", public, '$user';
ALTER DATABASE zoo SET "app.title" = 'a''b;c\d';
ALTER DATABASE zoo SET work_mem = '7MB';
ALTER ROLE zoo_keeper IN DATABASE zoo SET statement_timeout = '1s';
ALTER ROLE zoo_keeper SET timezone = 'Asia/Kathmandu';
ALTER DATABASE zoo CONNECTION LIMIT 40;
GRANT CONNECT, TEMPORARY ON DATABASE zoo TO zoo_keeper WITH GRANT OPTION;
REVOKE TEMPORARY ON DATABASE zoo FROM PUBLIC;
ALTER DATABASE zoo OWNER TO zoo_keeper;
