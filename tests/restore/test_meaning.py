"""Backups of databases that print the same definitions differently after a reload are restored without a difference."""

import pytest

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
INSERT INTO t VALUES (1, 'a', 3, 'x', 'b');
"""


@pytest.fixture
def dumped(postgres_server, tmp_path):
    database = Dumped(postgres_server, tmp_path)
    yield database
    database.drop()


def restored(database):
    """Backs up, drills and restores the database; the journal has no difference."""
    for action in ("backup", "restore_drill", "restore"):
        database.require(action)
    assert database.differences == []
    database.require("restore", "--drop-old")
    assert database.databases == []


def test_definitions_printed_otherwise_after_reload_are_no_difference(dumped):
    restored(dumped.create(*PRINTED.split(";\n")[:-1]))
    assert dumped.sql("SELECT count(*) FROM t") == [(1,)]
