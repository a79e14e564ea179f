"""A role without rights loads whatever an owner without rights can make; owners and privileges match."""

from dataclasses import replace

import pytest

from tests.conftest import REPOSITORY

LOADER = "opsproof_load"
SETUP = """
CREATE EXTENSION citext;
CREATE SCHEMA kept AUTHORIZATION zoo_keeper;
CREATE SCHEMA "Odd ""one" AUTHORIZATION zoo_keeper;
COMMENT ON SCHEMA kept IS 'it''s kept; \\!';
GRANT CREATE ON SCHEMA public TO zoo_keeper;
"""
MADE = """
SET ROLE zoo_keeper;
ALTER DEFAULT PRIVILEGES IN SCHEMA kept GRANT SELECT ON TABLES TO zoo_visitor;
CREATE TYPE kept.mood AS ENUM ('good', 'bad');
CREATE TYPE kept.pair AS (a int, b text);
CREATE TYPE kept.span AS RANGE (subtype = int);
CREATE DOMAIN kept.code AS varchar(9) CHECK (VALUE IN ('a', 'b'));
CREATE FUNCTION kept.chk(a int, b kept.pair DEFAULT NULL) RETURNS boolean LANGUAGE plpgsql IMMUTABLE
    AS 'BEGIN RETURN true; END';
CREATE FUNCTION kept."Odd (name"(name, regclass) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE PROCEDURE kept.done(INOUT a int) LANGUAGE plpgsql AS 'BEGIN a := 1; END';
CREATE AGGREGATE kept.total(int) (SFUNC = int4pl, STYPE = int);
CREATE AGGREGATE kept.counted(*) (SFUNC = int8inc, STYPE = bigint, INITCOND = '0');
CREATE FUNCTION kept.same(kept.pair, kept.pair) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE OPERATOR kept.=== (LEFTARG = kept.pair, RIGHTARG = kept.pair, FUNCTION = kept.same);
CREATE COLLATION kept.plain (locale = 'C');
CREATE TEXT SEARCH DICTIONARY kept.words (TEMPLATE = simple);
CREATE TEXT SEARCH CONFIGURATION kept.searched (COPY = simple);
CREATE SEQUENCE kept.numbers;
CREATE TABLE kept.t (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, n serial, a int CHECK (kept.chk(a)), m kept.mood, c kept.code,
    p kept.pair, e citext, g int GENERATED ALWAYS AS (a * 2) STORED, secret text
);
INSERT INTO kept.t (a, m, c, e) SELECT i, 'good', 'a', 'X' FROM generate_series(1, 200) i;
CREATE TABLE kept.child (id int REFERENCES kept.t);
INSERT INTO kept.child SELECT id FROM kept.t;
CREATE TABLE "Odd ""one"."T ""t" (at date) PARTITION BY RANGE (at);
CREATE TABLE "Odd ""one".part PARTITION OF "Odd ""one"."T ""t" FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE INDEX ON kept.t ((kept.chk(a))) WHERE kept.chk(1);
CREATE STATISTICS kept.st ON a, n FROM kept.t;
CREATE VIEW kept.v AS SELECT * FROM kept.t;
CREATE MATERIALIZED VIEW kept.mv AS SELECT count(*) FROM kept.v;
CREATE FUNCTION kept.touched() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER touched BEFORE UPDATE ON kept.t FOR EACH ROW EXECUTE FUNCTION kept.touched();
CREATE RULE r AS ON DELETE TO kept.child DO ALSO NOTHING;
ALTER TABLE kept.t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY p ON kept.t TO zoo_visitor USING (a > 0);
COMMENT ON POLICY p ON kept.t IS 'positive';
SELECT lo_from_bytea(0, 'kept');
REVOKE ALL ON kept.child FROM zoo_keeper;
GRANT SELECT ON kept.child TO zoo_keeper, PUBLIC;
GRANT SELECT (id), UPDATE (secret) ON kept.t TO zoo_visitor WITH GRANT OPTION;
GRANT USAGE ON SCHEMA kept TO zoo_visitor;
GRANT USAGE ON SEQUENCE kept.numbers TO zoo_visitor;
GRANT USAGE ON TYPE kept.mood TO zoo_visitor;
REVOKE EXECUTE ON FUNCTION kept.chk(int, kept.pair) FROM PUBLIC;
GRANT EXECUTE ON PROCEDURE kept.done(int) TO zoo_visitor;
RESET ROLE;
SET ROLE zoo_visitor;
GRANT SELECT (id) ON kept.t TO PUBLIC;
"""


@pytest.fixture
def kept(zoo, dumped):
    """A database of an owner without rights."""
    load = (REPOSITORY / "docs" / "privileges" / "load.sql").read_text()
    roles = f"CREATE ROLE zoo_keeper; CREATE ROLE zoo_visitor; ALTER ROLE {LOADER} PASSWORD '{zoo.cluster.password}';"
    made = replace(dumped("kept"), load_user=LOADER)
    made.sql(load, *roles.split("; "), "CREATE DATABASE kept", database="postgres")
    done = zoo.psql("kept", "-v", "ON_ERROR_STOP=1", script=SETUP + MADE)
    assert done.returncode == 0, done.stderr
    yield made
    made.drop()
    made.sql(*(f"DROP ROLE {each}" for each in ("zoo_keeper", "zoo_visitor", LOADER)), database="postgres")


def test_objects_of_every_type_get_their_owners_and_privileges(kept):
    kept.require("backup")
    said = kept.require("restore_drill")
    assert f"the load runs, as {LOADER}: function kept.chk(" in said
    assert kept.differences == []
    assert "not_checked" not in kept.journal[-1]["measured"]
