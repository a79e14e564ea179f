from contextlib import contextmanager

import pytest

from opsproof.facts.backup_roles import BackupRole, BackupRoles
from opsproof.inventory.backups import Backup
from opsproof.postgres.connection import ask

BACKUP = Backup(database="db", folder="/backups", user="Dumper")
ROLE = '"Dumper"'


@pytest.fixture
def measured(cluster):
    """The rights of the backup role, as the monitor sees them."""

    def measure():
        (result,) = ask(cluster.target(), [BackupRoles().query("db", BACKUP)])
        return BackupRoles().parse(result, BACKUP)

    return measure


@contextmanager
def role(cluster, options):
    """A backup role, dropped with its grants afterwards."""
    cluster.run(f"CREATE ROLE {ROLE} {options}")
    try:
        yield
    finally:
        cluster.run(f"DROP OWNED BY {ROLE}", f"DROP ROLE {ROLE}")


@contextmanager
def made(cluster, *statements):
    """Objects in a schema without grants, dropped afterwards."""
    cluster.run("CREATE SCHEMA hidden", *statements)
    try:
        yield
    finally:
        cluster.run("DROP SCHEMA hidden CASCADE")


@pytest.mark.parametrize("options", ["LOGIN BYPASSRLS IN ROLE pg_read_all_data", "LOGIN SUPERUSER"])
def test_role_with_all_rights_has_no_obstacle(cluster, measured, options):
    with role(cluster, options), made(cluster, "CREATE TABLE hidden.t (id serial)"):
        assert (measured().obstacles, measured().repairs) == ([], [])


@pytest.mark.parametrize(
    ("options", "obstacle"),
    [
        ("NOLOGIN BYPASSRLS IN ROLE pg_read_all_data", "Dumper cannot connect"),
        ("LOGIN IN ROLE pg_read_all_data", "Dumper does not bypass row-level security"),
        ("LOGIN BYPASSRLS", "Dumper may not read hidden.m, hidden.s, hidden.t"),
    ],
)
def test_missing_right_is_an_obstacle_until_repaired(cluster, measured, options, obstacle):
    objects = (
        "CREATE TABLE hidden.t (id int)",
        "CREATE SEQUENCE hidden.s",
        "CREATE MATERIALIZED VIEW hidden.m AS TABLE hidden.t",
    )
    with role(cluster, options), made(cluster, *objects):
        assert measured().obstacles == [obstacle]
        cluster.run(*measured().repairs)
        assert measured().obstacles == []


def test_missing_role_is_an_obstacle_until_repaired(cluster, measured):
    assert measured().obstacles == ["Dumper does not exist"]
    cluster.run(*measured().repairs)
    try:
        assert measured().obstacles == []
    finally:
        cluster.run(f"DROP ROLE {ROLE}")


def test_large_objects_of_other_roles_are_an_obstacle_until_repaired(cluster, measured):
    with role(cluster, "LOGIN BYPASSRLS IN ROLE pg_read_all_data"):
        cluster.run("SELECT lo_create(4711)")
        try:
            assert measured().obstacles == ["Dumper may not read large objects 4711"]
            cluster.run(*measured().repairs)
            assert measured().obstacles == []
        finally:
            cluster.run("SELECT lo_unlink(4711)")


def test_configuration_tables_of_extensions_are_dumped(cluster, measured):
    with role(cluster, "LOGIN BYPASSRLS"), made(cluster, "CREATE TABLE hidden.settings (id int)"):
        cluster.run("ALTER EXTENSION pgstattuple ADD TABLE hidden.settings")
        try:
            assert measured().obstacles == []
            settings = "UPDATE pg_extension SET extconfig = {} WHERE extname = 'pgstattuple'"
            cluster.run(settings.format("ARRAY['hidden.settings'::regclass::oid]"))
            assert measured().obstacles == ["Dumper may not read hidden.settings"]
        finally:
            cluster.run(settings.format("NULL"), "ALTER EXTENSION pgstattuple DROP TABLE hidden.settings")


def test_only_some_relations_are_named():
    found = BackupRole("dumper", True, True, True, ("a.a", "a.b", "a.c", "a.d"), ())
    assert found.obstacles == ["dumper may not read a.a, a.b, a.c and 1 more"]
