"""Whatever a database or a role sets, comparisons find no difference, and backups are restored as they were."""

import time
from dataclasses import replace

import psycopg
import pytest

from opsproof.action import Work
from opsproof.core.errors import OpsproofError
from opsproof.inventory.load import load
from opsproof.restore import archive, contents, copy
from opsproof.restore.copy import RestoredDatabase
from opsproof.restore.server import RestoreClient
from tests.harness.extent import sample
from tests.restore.databases import UNHURRIED
from tests.zoo.parameters import REFUSED, UNSTARTABLE, bundles, pairs, parameters, setting

BUNDLES = 6
ALONE = 15
"""Values in a draw."""
ROLE = "zoo_admin"
SETTINGS = """
SELECT coalesce(rolname, 'all'), unnest(setconfig) FROM pg_db_role_setting LEFT JOIN pg_roles r ON r.oid = setrole
  JOIN pg_database d ON d.oid = setdatabase AND datname = 'shop' ORDER BY 1, 2
"""
SCHEMA = r"""
CREATE ACCESS METHOD heap2 TYPE TABLE HANDLER heap_tableam_handler;
CREATE TABLE t (
    id int PRIMARY KEY, "Order" varchar(9) CHECK ("Order" <> 'x'), q text DEFAULT E'a\b''c',
    at timestamptz DEFAULT '2026-07-01 02:00+02', span interval DEFAULT '1 year 2 days -00:00:01',
    f float8 DEFAULT 0.1, r real DEFAULT '1e-7', b bytea DEFAULT '\x00ff', m money DEFAULT 12.34,
    x text DEFAULT 'ünï', j jsonb DEFAULT '{"a": null}', a int[] DEFAULT '{1,NULL}'
);
INSERT INTO t SELECT i FROM generate_series(1, 500) i;
CREATE TABLE p (at timestamptz, f float8) PARTITION BY RANGE (at, f);
CREATE TABLE p_1 PARTITION OF p FOR VALUES FROM ('2026-01-01 00:00+01', 0.1) TO ('2026-07-01 00:00+02', 1e-7);
INSERT INTO p VALUES ('2026-03-04 05:06+01', 3.3);
CREATE VIEW v AS SELECT * FROM t WHERE at > '2026-03-04 05:06+01'::timestamptz AND b <> '\x01' AND x = NULL
    AND span < '3 mons 04:05:06'::interval;
CREATE MATERIALIZED VIEW mv AS SELECT at::text, span::text, f::text, b::text, m::text FROM t;
CREATE INDEX ON t (lower(x)) WHERE at > '2026-01-01 00:00+01';
CREATE INDEX ON t USING gin (a);
CREATE FUNCTION one() RETURNS int LANGUAGE plpgsql SET work_mem = '9MB' AS 'BEGIN RETURN 1; END';
SELECT lo_from_bytea(0, 'large')
"""


@pytest.fixture
def shop(zoo, dumped):
    """A database with definitions and rows whose text depends on settings; its backups belong to a role."""
    database = replace(dumped("shop"), superuser=ROLE)
    database.sql(f"CREATE ROLE {ROLE} SUPERUSER LOGIN PASSWORD '{zoo.cluster.password}'", database="postgres")
    yield database.create(*SCHEMA.split(";\n"))
    database.drop()
    zoo.psql("postgres", "-c", f"DROP ROLE {ROLE}")


@pytest.fixture
def new(shop):
    """The database restored from its backup, not yet compared."""
    shop.require("backup")
    host = load(shop.inventory).hosts["vps"]
    client, work = RestoreClient(host, host.backups["shop"]), Work(host, lambda _: None)
    (name,) = (path.name.split(".")[0] for path in (shop.folder / "backups").glob("*.manifest.json"))
    source = archive.of_set(work, f"{shop.folder}/backups", name, whole=False)
    new = RestoredDatabase(work, client, source, copy.machine(work, client), "shop_drill_20261125T000000Z", quiet=True)
    new.make()
    return new


def shown(zoo, database, parameter):
    """The value in a plain session; a timeout of a millisecond may end one before it answers."""
    for _ in range(50):
        try:
            where = {"dbname": database, "user": ROLE, "password": zoo.cluster.password, "host": "127.0.0.1"}
            with psycopg.connect(**where, port=zoo.cluster.server.port) as session:
                return session.execute(f"SHOW {parameter}".encode()).fetchone()[0]
        except psycopg.Error as error:
            last = error
            time.sleep(0.01)
    raise last


def found(new):
    """Everything that a comparison reads of a restored database, without what changes by itself."""
    where = (new.inside, new.name)
    server, counted = new.work.ask(contents.properties(*where), contents.counting(*where))
    of_server = contents.parse_server(server)
    return new.schema_differences(), of_server["objects"], of_server["grants"], contents.parse_counted(counted)


def test_no_parameter_alone_changes_the_comparison(zoo, shop, new):
    before, wrong = found(new), {}
    assert before[0] == []
    with zoo.cluster.connect("postgres", options=UNHURRIED) as admin:
        for name, value in sample("parameters", pairs(parameters(admin)), ALONE):
            changed = tried(zoo, admin, new, (name, value), before)
            wrong |= {(name, value): changed} if changed else {}
    assert wrong == {}


def tried(zoo, admin, new, pair, before):
    """What is wrong with a value of a parameter: refused, without effect, or in the way of the comparison."""
    name, value = pair
    default = shown(zoo, new.name, name)
    try:
        admin.execute(f'ALTER DATABASE "{new.name}" SET {setting(name, value)}'.encode())
    except psycopg.Error as error:
        return "" if name in REFUSED else str(error)
    try:
        return judged(zoo, new, pair, default, before)
    finally:
        admin.execute(f'ALTER DATABASE "{new.name}" RESET ALL'.encode())


def judged(zoo, new, pair, default, before):
    """What is wrong with a value that is set for the restored database."""
    try:
        if shown(zoo, new.name, pair[0]) == default:
            return "no effect"
    except psycopg.OperationalError as error:
        return "" if pair in UNSTARTABLE else f"no session starts: {error}"
    try:
        return "" if pair in UNSTARTABLE or found(new) == before else "the comparison differs"
    except OpsproofError as error:
        return str(error)


@pytest.mark.parametrize("number", sample("bundles", range(BUNDLES), 1))
def test_all_parameters_together_leave_backups_restorable(zoo, shop, number):
    with zoo.cluster.connect("postgres", options=UNHURRIED) as admin:
        for name, value in bundles(parameters(admin), BUNDLES)[number].items():
            for of in ("DATABASE shop", f"ROLE {ROLE} IN DATABASE shop", f"ROLE {ROLE}"):
                set_for(admin, of, name, value)
    before = shop.sql(SETTINGS, database="postgres")
    shop.restored()
    assert shop.sql(SETTINGS, database="postgres") == before


def set_for(admin, of, name, value):
    """Sets a parameter, unless the server refuses the value for a known reason."""
    try:
        admin.execute(f"ALTER {of} SET {setting(name, value)}".encode())
    except psycopg.Error:
        assert name in REFUSED
