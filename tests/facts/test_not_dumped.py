"""What pg_dump leaves out without an error is found in the catalogs."""

from contextlib import contextmanager

import pytest

from opsproof.facts.not_dumped import NotDumped
from opsproof.inventory.backups import Backup
from opsproof.postgres.connection import ask

ROLE = '"Dumper"'
READER = "LOGIN BYPASSRLS IN ROLE pg_read_all_data"


@pytest.fixture
def measured(cluster):
    """What dumps of a backup leave out, as the monitor sees the database."""

    def measure(**not_dumped):
        backup = Backup(database="db", folder="/backups", user="Dumper", not_dumped=not_dumped)
        (result,) = ask(cluster.target(), [NotDumped().query("db", backup)])
        return NotDumped().parse(result, backup)

    return measure


@contextmanager
def role(cluster, options=READER):
    cluster.run(f"CREATE ROLE {ROLE} {options}")
    try:
        yield
    finally:
        cluster.run(f"DROP OWNED BY {ROLE} CASCADE", f"DROP ROLE {ROLE}")


SUBSCRIBED = (
    "CREATE SUBSCRIPTION orders CONNECTION 'dbname=x' PUBLICATION p WITH (connect = false, slot_name = NONE)",
    "DROP SUBSCRIPTION orders",
)
SERVER = "CREATE FOREIGN DATA WRAPPER plain; CREATE SERVER warehouse FOREIGN DATA WRAPPER plain"
MAPPED = (
    f"{SERVER}; CREATE USER MAPPING FOR PUBLIC SERVER warehouse OPTIONS (password 'x')",
    "DROP FOREIGN DATA WRAPPER plain CASCADE",
)
ADDED = (
    "CREATE FUNCTION pg_catalog.mine(int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "DROP FUNCTION pg_catalog.mine(int)",
)
MOVED = ("CREATE TABLE moved (id int); ALTER TABLE moved SET SCHEMA pg_catalog", "DROP TABLE moved")
FOREIGN = (f"{SERVER}; CREATE FOREIGN TABLE far (id int) SERVER warehouse", MAPPED[1])
EXTENDED = (
    "CREATE TABLE extra (id int); INSERT INTO extra VALUES (1); ALTER EXTENSION pgstattuple ADD TABLE extra",
    "ALTER EXTENSION pgstattuple DROP TABLE extra; DROP TABLE extra",
)
CASES = {
    "subscription orders": SUBSCRIBED,
    "options of user mapping public on server warehouse": MAPPED,
    "object function pg_catalog.mine(integer)": ADDED,
    "object table pg_catalog.moved": MOVED,
    "rows of foreign table public.far": FOREIGN,
    "rows of extension table public.extra": EXTENDED,
}


def titles(found):
    return [str(each) for each in found]


@pytest.mark.parametrize("title", CASES)
def test_omission_is_found_and_can_be_declared(cluster, measured, title):
    made, undone = CASES[title]
    lost = [] if title.startswith("rows of") else [title]
    with role(cluster):
        cluster.run(*made.split("; "))
        try:
            assert titles(measured().all) == [title]
            assert titles(measured().losses) == lost
            assert len(measured().statements) == len(lost)
            cluster.run(*measured().statements)
            assert measured(**{title: "is made again by hand"}).losses == ()
            assert measured(**{f"{title[:9]}*": "is made again by hand"}).losses == ()
            assert titles(measured(**{"another thing": "is made again"}).losses) == lost
        finally:
            cluster.run(*undone.split("; "))
        assert measured().all == ()


@pytest.mark.parametrize("title", list(CASES)[:2])
def test_superuser_dumps_subscriptions_and_user_mappings(cluster, measured, title):
    made, undone = CASES[title]
    with role(cluster, "LOGIN SUPERUSER"):
        cluster.run(*made.split("; "))
        try:
            assert measured().all == ()
        finally:
            cluster.run(*undone.split("; "))


def test_owner_of_a_server_dumps_its_user_mappings(cluster, measured):
    with role(cluster):
        cluster.run(*MAPPED[0].split("; "))
        try:
            cluster.run(
                f"GRANT USAGE ON FOREIGN DATA WRAPPER plain TO {ROLE}", f"ALTER SERVER warehouse OWNER TO {ROLE}"
            )
            assert measured().all == ()
        finally:
            cluster.run(MAPPED[1])


def test_role_without_access_to_passwords_leaves_them_out(cluster, measured):
    with role(cluster, "LOGIN BYPASSRLS"):
        assert titles(measured().losses) == ["passwords of roles"]
        cluster.run(f"GRANT pg_read_all_data TO {ROLE}")
        assert measured().all == ()


def test_configuration_tables_of_extensions_are_dumped(cluster, measured):
    with role(cluster):
        cluster.run(*EXTENDED[0].split("; "))
        settings = "UPDATE pg_extension SET extconfig = {} WHERE extname = 'pgstattuple'"
        try:
            cluster.run(settings.format("ARRAY['extra'::regclass::oid]"))
            assert measured().all == ()
        finally:
            cluster.run(settings.format("NULL"), *EXTENDED[1].split("; "))
