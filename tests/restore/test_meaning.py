"""Backups of databases that print the same definitions differently after a reload are restored without a difference."""

import pytest

from tests.harness import extent
from tests.restore.databases import Dumped

PRINTED = """
CREATE DOMAIN code AS varchar(9) CHECK (VALUE IN ('a', 'b'));
CREATE TABLE t (
    id int PRIMARY KEY, s varchar(9) CHECK (s IN ('a', 'b')), a int, b text, c code,
    g boolean GENERATED ALWAYS AS (a BETWEEN 1 AND 5 AND b <> '') STORED,
    CHECK (a BETWEEN 1 AND 5 AND b <> '')
);
CREATE INDEX ON t ((s IN ('a', 'b'))) WHERE a BETWEEN 1 AND 5 AND b <> '';
CREATE VIEW v AS SELECT * FROM t WHERE s IN ('a', 'b') AND a BETWEEN 1 AND 5 AND b <> '';
CREATE MATERIALIZED VIEW m AS SELECT s NOT IN ('a', 'b') AS other FROM t;
ALTER TABLE t ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON t USING (s IN ('a', 'b')) WITH CHECK (a BETWEEN 1 AND 5 AND b <> '');
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW WHEN (NEW.s IN ('a', 'b') AND NEW.a BETWEEN 1 AND 5 AND NEW.b <> '')
    EXECUTE FUNCTION f();
CREATE RULE r AS ON DELETE TO t WHERE OLD.s IN ('a', 'b') DO INSTEAD NOTHING;
CREATE STATISTICS st ON (s IN ('a', 'b')), a FROM t;
CREATE FUNCTION same(x varchar) RETURNS boolean RETURN x IN ('a', 'b');
INSERT INTO t VALUES (1, 'a', 3, 'x', 'b')
"""


GRANTED = """
CREATE ROLE shop_reader;
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO shop_reader;
CREATE TABLE t (id int, secret text);
GRANT SELECT ON t TO PUBLIC;
REVOKE SELECT ON t FROM PUBLIC;
GRANT UPDATE (secret) ON t TO shop_reader;
REVOKE UPDATE (secret) ON t FROM shop_reader;
ALTER DEFAULT PRIVILEGES REVOKE SELECT ON TABLES FROM shop_reader;
CREATE TABLE plain (id int);
GRANT SELECT ON plain TO shop_reader;
REVOKE SELECT ON plain FROM shop_reader;
CREATE SEQUENCE numbers;
GRANT USAGE ON SEQUENCE numbers TO shop_reader WITH GRANT OPTION;
CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1';
REVOKE EXECUTE ON FUNCTION one() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION one() TO PUBLIC;
CREATE TYPE mood AS ENUM ('good');
GRANT USAGE ON TYPE mood TO shop_reader;
REVOKE USAGE ON TYPE mood FROM shop_reader;
CREATE SCHEMA inner_rooms;
GRANT USAGE ON SCHEMA inner_rooms TO shop_reader;
REVOKE ALL ON SCHEMA inner_rooms FROM shop_reader
"""
DATED = """
ALTER DATABASE shop SET timezone = 'Europe/Berlin';
ALTER DATABASE shop SET datestyle = 'SQL, DMY';
ALTER ROLE metachat IN DATABASE shop SET intervalstyle = 'sql_standard';
ALTER ROLE metachat IN DATABASE shop SET quote_all_identifiers = on;
SET timezone = 'Europe/Berlin';
CREATE TABLE t (at timestamptz DEFAULT '2026-07-01 02:00+02', span interval DEFAULT '1 year 2 days')
    PARTITION BY RANGE (at);
CREATE TABLE t_1 PARTITION OF t FOR VALUES FROM ('2026-01-01 00:00+01') TO ('2026-07-01 00:00+02');
CREATE VIEW v AS SELECT * FROM t WHERE at > '2026-03-04 05:06+01'::timestamptz AND span < '3 mons 04:05:06'::interval;
INSERT INTO t VALUES ('2026-03-04 05:06+01', '1 day -00:00:01')
"""
LOGGED = """
CREATE TABLE ddl_log (at timestamptz DEFAULT now(), tag text);
CREATE FUNCTION noted() RETURNS event_trigger LANGUAGE plpgsql
    AS 'BEGIN INSERT INTO public.ddl_log (tag) VALUES (tg_tag); END';
CREATE EVENT TRIGGER a_noted ON ddl_command_end EXECUTE FUNCTION noted();
ALTER EVENT TRIGGER a_noted ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER a_noted IS 'keeps a log';
CREATE TABLE t (id int PRIMARY KEY);
CREATE MATERIALIZED VIEW m AS SELECT * FROM t;
CREATE EVENT TRIGGER b_noted ON ddl_command_start EXECUTE FUNCTION noted()
"""
ZERO = """
CREATE EXTENSION vector;
CREATE TABLE t (id int PRIMARY KEY, e vector(3));
INSERT INTO t SELECT i, '[0,0,0]' FROM generate_series(1, 50) i;
CREATE INDEX ON t USING hnsw (e vector_cosine_ops)
"""
HURRIED = """
CREATE TABLE t (id int PRIMARY KEY, filler text);
INSERT INTO t SELECT i, repeat('x', 500) FROM generate_series(1, 20000) i;
CREATE INDEX ON t (filler);
ALTER DATABASE shop SET transaction_timeout = '250ms';
ALTER DATABASE shop SET default_transaction_read_only = on;
ALTER DATABASE shop SET default_transaction_isolation = serializable;
ALTER DATABASE shop SET "app.zone" = 'a''b;c';
ALTER ROLE metachat SET idle_session_timeout = '50ms';
ALTER ROLE metachat IN DATABASE shop SET statement_timeout = '1ms';
ALTER ROLE metachat IN DATABASE shop SET idle_in_transaction_session_timeout = '1ms'
"""

KINDS = {
    "printed": PRINTED, "granted": GRANTED, "dated": DATED, "logged": LOGGED, "zero vectors": ZERO, "hurried": HURRIED
}  # fmt: skip


@pytest.fixture
def dumped(postgres_server, tmp_path):
    database = Dumped(postgres_server, tmp_path)
    yield database
    database.drop()
    database.sql("ALTER ROLE metachat RESET ALL", "DROP ROLE IF EXISTS shop_reader", database="postgres")


@pytest.mark.parametrize("kind", extent.sample("meaning", list(KINDS), 2))
def test_restored_database_has_no_difference(dumped, kind):
    dumped.create(*KINDS[kind].split(";\n")).restored()
