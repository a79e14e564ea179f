"""Each change of a restored database's definitions is reported, and nothing else is."""

import re

import pytest

from opsproof.action import Work
from opsproof.inventory.load import load
from opsproof.restore import archive, copy
from opsproof.restore.copy import RestoredDatabase
from opsproof.restore.server import RestoreClient
from tests.restore.databases import Dumped

TABLES = 32
SCHEMA = """
CREATE ROLE shop_other;
CREATE SCHEMA rooms;
CREATE INDEX i_1 ON t_1 (n);
CREATE INDEX i_2 ON t_1 (n);
CREATE INDEX i_3 ON t_1 ((n + 1));
CREATE INDEX i_4 ON t_1 (n);
CREATE VIEW v_1 AS SELECT id, n FROM t_1 WHERE n IN (1, 2);
CREATE VIEW v_2 AS SELECT id, n FROM t_1;
CREATE VIEW v_3 AS SELECT id, n FROM t_1;
CREATE MATERIALIZED VIEW m_1 AS SELECT id, n FROM t_1;
CREATE POLICY p_1 ON t_1 USING (n BETWEEN 1 AND 5 AND s <> '');
CREATE POLICY p_2 ON t_1 USING (n > 1);
CREATE FUNCTION g() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER g_1 BEFORE UPDATE ON t_1 FOR EACH ROW EXECUTE FUNCTION g();
CREATE TRIGGER g_2 BEFORE UPDATE ON t_1 FOR EACH ROW EXECUTE FUNCTION g();
CREATE TRIGGER g_3 BEFORE UPDATE ON t_1 FOR EACH ROW WHEN (NEW.n > 1) EXECUTE FUNCTION g();
CREATE RULE r_1 AS ON DELETE TO t_1 WHERE OLD.n > 5 DO INSTEAD NOTHING;
CREATE FUNCTION f_1() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION f_2() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION f_3() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION f_4() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE SEQUENCE s_1;
CREATE SEQUENCE s_2;
CREATE TYPE e_1 AS ENUM ('a', 'b');
CREATE TYPE c_1 AS (a int, b text);
CREATE DOMAIN d_1 AS int;
CREATE DOMAIN d_2 AS int;
CREATE DOMAIN d_3 AS varchar(9) CHECK (VALUE IN ('a', 'b'));
CREATE STATISTICS st_1 ON n, s FROM t_1;
CREATE PUBLICATION pub_1 FOR TABLE t_2;
CREATE PUBLICATION pub_2 FOR TABLE t_2 WHERE (n BETWEEN 1 AND 5 AND n <> 3);
CREATE FUNCTION ev() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER ev_1 ON ddl_command_end EXECUTE FUNCTION ev();
CREATE FOREIGN DATA WRAPPER w_1;
CREATE SERVER srv_1 FOREIGN DATA WRAPPER w_1;
CREATE USER MAPPING FOR shop_other SERVER srv_1
"""
CHANGES = {
    "ALTER TABLE t_3 ADD CHECK (n > 0)": "table public.t_3",
    "ALTER TABLE t_4 ALTER n SET DEFAULT 2": "table public.t_4",
    "ALTER TABLE t_5 ALTER n TYPE bigint": "table public.t_5",
    "ALTER TABLE t_6 ALTER n SET NOT NULL": "table public.t_6",
    "ALTER TABLE t_7 SET (fillfactor = 50)": "table public.t_7",
    "ALTER TABLE t_8 ALTER s SET STORAGE EXTERNAL": "table public.t_8",
    "ALTER TABLE t_9 ALTER n SET STATISTICS 500": "table public.t_9",
    "ALTER TABLE t_10 ALTER n SET (n_distinct = 5)": "table public.t_10",
    "ALTER TABLE t_11 REPLICA IDENTITY FULL": "table public.t_11",
    "ALTER TABLE t_12 SET UNLOGGED": "table public.t_12",
    "ALTER TABLE t_13 CLUSTER ON t_13_pkey": "constraint public.t_13 t_13_pkey",
    "ALTER TABLE t_14 ENABLE ROW LEVEL SECURITY": "row security public.t_14",
    "ALTER TABLE t_15 FORCE ROW LEVEL SECURITY": "table public.t_15",
    "ALTER TABLE t_16 OWNER TO shop_other": "table public.t_16",
    "GRANT SELECT ON t_17 TO shop_other": "acl public.TABLE t_17",
    "GRANT UPDATE (n) ON t_18 TO shop_other": "acl public.COLUMN t_18.n",
    "COMMENT ON TABLE t_19 IS 'x'": "comment public.TABLE t_19",
    "COMMENT ON COLUMN t_20.n IS 'x'": "comment public.COLUMN t_20.n",
    "ALTER TABLE t_21 DROP CONSTRAINT t_21_pkey": "constraint public.t_21 t_21_pkey",
    "ALTER TABLE t_22 ADD UNIQUE (n)": "constraint public.t_22 t_22_n_key",
    "ALTER TABLE t_23 ADD FOREIGN KEY (n) REFERENCES t_1 NOT VALID": "fk constraint public.t_23 t_23_n_fkey",
    "ALTER TABLE t_24 ADD COLUMN more int": "table public.t_24",
    "ALTER TABLE t_25 RENAME n TO m": "table public.t_25",
    "ALTER TABLE t_26 DROP COLUMN s": "table public.t_26",
    "ALTER INDEX i_1 SET (fillfactor = 60)": "index public.i_1",
    "DROP INDEX i_2": "index public.i_2",
    "ALTER INDEX i_3 ALTER COLUMN 1 SET STATISTICS 9": "index public.i_3",
    "COMMENT ON INDEX i_4 IS 'x'": "comment public.INDEX i_4",
    "CREATE OR REPLACE VIEW v_1 AS SELECT id, n FROM t_1 WHERE n IN (1, 3)": "view public.v_1",
    "ALTER VIEW v_2 SET (security_barrier = true)": "view public.v_2",
    "ALTER VIEW v_3 ALTER n SET DEFAULT 7": "default public.v_3 n",
    "ALTER MATERIALIZED VIEW m_1 SET (fillfactor = 70)": "materialized view public.m_1",
    "ALTER POLICY p_1 ON t_1 USING (n BETWEEN 1 AND 6 AND s <> '')": "policy public.t_1 p_1",
    "ALTER POLICY p_2 ON t_1 TO shop_other": "policy public.t_1 p_2",
    "ALTER TABLE t_1 DISABLE TRIGGER g_1": "trigger public.t_1 g_1",
    "DROP TRIGGER g_2 ON t_1": "trigger public.t_1 g_2",
    "CREATE OR REPLACE TRIGGER g_3 BEFORE UPDATE ON t_1 FOR EACH ROW WHEN (NEW.n > 2) EXECUTE FUNCTION g()": (
        "trigger public.t_1 g_3"
    ),
    "ALTER TABLE t_1 DISABLE RULE r_1": "rule public.t_1 r_1",
    "CREATE OR REPLACE FUNCTION f_1() RETURNS int LANGUAGE sql AS 'SELECT 2'": "function public.f_1()",
    "ALTER FUNCTION f_2() SECURITY DEFINER": "function public.f_2()",
    "ALTER FUNCTION f_3() SET work_mem = '9MB'": "function public.f_3()",
    "REVOKE EXECUTE ON FUNCTION f_4() FROM PUBLIC": "acl public.FUNCTION f_4()",
    "ALTER SEQUENCE s_1 INCREMENT 5": "sequence public.s_1",
    "ALTER SEQUENCE s_2 OWNED BY t_1.n": "sequence owned by public.s_2",
    "ALTER TYPE e_1 ADD VALUE 'z'": "type public.e_1",
    "ALTER TYPE c_1 ADD ATTRIBUTE c int": "type public.c_1",
    "ALTER DOMAIN d_1 ADD CHECK (VALUE > 5)": "domain public.d_1",
    "ALTER DOMAIN d_2 SET DEFAULT 5": "domain public.d_2",
    "ALTER STATISTICS st_1 SET STATISTICS 77": "statistics public.st_1",
    "ALTER PUBLICATION pub_1 ADD TABLE t_1": "publication table public.pub_1 t_1",
    "ALTER PUBLICATION pub_2 SET (publish = 'insert')": "publication pub_2",
    "ALTER EVENT TRIGGER ev_1 DISABLE": "event trigger ev_1",
    "ALTER SERVER srv_1 OPTIONS (ADD password 'hidden')": "server srv_1",
    "DROP USER MAPPING FOR shop_other SERVER srv_1": "user mapping USER MAPPING shop_other SERVER srv_1",
    "CREATE SCHEMA extra": "schema extra",
    "GRANT USAGE ON SCHEMA rooms TO shop_other": "acl SCHEMA rooms",
    "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO shop_other": "default acl DEFAULT PRIVILEGES FOR TABLES",
    "CREATE CAST (e_1 AS c_1) WITH INOUT": "cast CAST (public.e_1 AS public.c_1)",
    "CREATE COLLATION co_1 (provider = libc, locale = 'C')": "collation public.co_1",
}


@pytest.fixture
def made(postgres_server, tmp_path):
    """A database restored from a backup, with its origin."""
    tables = [f"CREATE TABLE t_{n} (id int PRIMARY KEY, n int DEFAULT 1, s text)" for n in range(1, TABLES)]
    dumped = Dumped(postgres_server, tmp_path).create(*tables, *SCHEMA.split(";\n"))
    dumped.require("backup")
    host = load(dumped.inventory).hosts["vps"]
    client, work = RestoreClient(host, host.backups["shop"]), Work(host, lambda _: None)
    (name,) = (path.name.split(".")[0] for path in (tmp_path / "backups").glob("*.manifest.json"))
    source = archive.of_set(work, f"{tmp_path}/backups", name, whole=False)
    new = RestoredDatabase(work, client, source, copy.machine(work, client), "shop_drill_20261125T000000Z", quiet=True)
    new.make()
    yield new, dumped
    dumped.drop()
    dumped.sql("DROP OWNED BY shop_other; DROP ROLE shop_other", database="postgres")


def test_every_change_of_a_definition_is_reported_alone(made):
    new, dumped = made
    assert new.schema_differences() == []
    dumped.sql(*CHANGES, database=new.name)
    found = new.schema_differences()
    titles = [re.split(r": | is (?:missing|not in the archive)| differs", each)[0] for each in found]
    assert sorted(titles) == sorted(CHANGES.values())
    assert "hidden" not in "".join(found)
    assert dumped.databases == ["drill_20261125T000000Z"]
    changed = next(each for each in found if each.startswith("view public.v_1"))
    assert "WHERE (n = ANY (ARRAY[1, 3]));" in changed
    assert "(expected WHERE (n = ANY (ARRAY[1, 2]));" in changed
