"""Restores on servers that lack roles of the archive; names and security labels of databases."""

import hashlib
import os
import subprocess
from dataclasses import replace

import pytest

from tests.harness import extent
from tests.restore.databases import Dumped

OWNERS = """
CREATE ROLE "shop Owner" LOGIN;
CREATE ROLE shop_reader;
CREATE ROLE shop_inspector;
CREATE ROLE shop_visitor;
CREATE ROLE shop_unused;
ALTER DATABASE shop OWNER TO "shop Owner";
GRANT CONNECT ON DATABASE shop TO shop_visitor;
SET ROLE "shop Owner";
CREATE SCHEMA s;
CREATE TABLE s.t (id int PRIMARY KEY);
CREATE FUNCTION s.f() RETURNS text LANGUAGE sql AS $$ SELECT '
GRANT SELECT ON TABLE s.t TO shop_unused;
' $$;
CREATE POLICY p ON s.t FOR SELECT TO "shop Owner", shop_inspector;
GRANT SELECT ON s.t TO shop_reader
"""
MAPPED = (
    "CREATE ROLE shop_mapped",
    "CREATE FOREIGN DATA WRAPPER w",
    "CREATE SERVER f FOREIGN DATA WRAPPER w",
    "CREATE USER MAPPING FOR shop_mapped SERVER f",
    "CREATE USER MAPPING FOR PUBLIC SERVER f",
)
ROLES = ('"shop Owner"', "shop_reader", "shop_inspector", "shop_mapped", "shop_visitor", "shop_unused", "shop_loader")


@pytest.fixture
def dumped(postgres_server, tmp_path):
    database = Dumped(postgres_server, tmp_path)
    yield database
    database.drop()
    for role in ROLES:
        database.sql(f"DROP ROLE IF EXISTS {role}", database="postgres")


def moved(dumped, *more):
    """Backs up the database; the server then lacks the database and the roles, as a new server does."""
    dumped.create(*more, OWNERS)
    dumped.require("backup")
    dumped.drop()
    for role in ROLES:
        dumped.sql(f"DROP ROLE IF EXISTS {role}", database="postgres")


def refused_command(dumped, roles):
    """The command in the refusal of a restore, in which the plan and --apply agree."""
    planned, applied = dumped.plan("restore"), dumped.run("restore")
    assert (planned.returncode, planned.stderr) == (applied.returncode, applied.stderr)
    assert planned.returncode == 3, planned.stdout
    assert dumped.databases == []
    advice = f" needs missing roles: {roles}; load them first, with attributes and passwords of all roles: "
    assert advice in planned.stderr
    return planned.stderr.partition(advice)[2].removesuffix(": nothing was changed\n")


def run_by_a_person(dumped, command):
    path = f"PATH={dumped.postgres.server._programs()}:$PATH;"
    password = {**os.environ, "PGPASSFILE": str(dumped.folder / "pgpass")}
    subprocess.run(["sh", "-c", f"{path} {command}"], check=True, capture_output=True, env=password)


def owner_of_table(dumped):
    return dumped.sql("SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 's.t'::regclass")


def test_restore_on_a_new_server_names_the_missing_roles_and_the_command(dumped):
    moved(dumped, *MAPPED)
    command = refused_command(dumped, "shop Owner, shop_inspector, shop_mapped, shop_reader")
    assert command.startswith("psql -X -d ")
    run_by_a_person(dumped, command)
    dumped.require("restore")
    assert owner_of_table(dumped) == [("shop Owner",)]


def test_missing_load_user_is_named_among_the_missing_roles(dumped):
    dumped = replace(dumped, load_user="shop_loader")
    moved(dumped, f"CREATE ROLE shop_loader LOGIN PASSWORD '{dumped.postgres.password}'")
    run_by_a_person(dumped, refused_command(dumped, "shop Owner, shop_inspector, shop_loader (load_user), shop_reader"))
    dumped.require("restore")
    assert owner_of_table(dumped) == [("shop Owner",)]


def sets(dumped):
    return [each for each in (dumped.folder / "backups").iterdir() if not each.name.startswith(".")]


def copied(dumped, vault):
    """Moves the backup sets to a folder of copies."""
    vault.mkdir()
    sums = [f"{hashlib.sha256(each.read_bytes()).hexdigest()}  {each.name}\n" for each in sets(dumped)]
    for each in sets(dumped):
        each.rename(vault / each.name)
    (name,) = (each.name.partition(".")[0] for each in vault.glob("*.globals.sql"))
    (vault / f"{name}.sha256").write_text("".join(sums))
    return name


def test_missing_roles_of_a_copy_are_found_after_the_fetch(dumped, sshd, tmp_path):
    moved(dumped)
    name = copied(dumped, tmp_path / "vault")
    source = f"--from={sshd.replace('?', f'{tmp_path}/vault?', 1)}"
    advice = f"; load {name}.globals.sql of the copy first"
    for attempt in (dumped.plan, dumped.run):
        done = attempt("restore", source)
        assert (done.returncode, f"{name} needs missing roles: shop Owner{advice}" in done.stderr) == (3, True)
    dumped.sql('CREATE ROLE "shop Owner"', database="postgres")
    done = dumped.run("restore", source)
    assert (done.returncode, f"missing roles: shop_inspector, shop_reader{advice}" in done.stderr) == (4, True)
    assert (sets(dumped), dumped.databases) == ([], [])


def test_role_that_the_archive_does_not_need_may_be_missing(dumped):
    dumped.create(*MAPPED, OWNERS)
    dumped.require("backup")
    dumped.sql("DROP ROLE shop_unused", "REVOKE CONNECT ON DATABASE shop FROM shop_visitor", "DROP ROLE shop_visitor")
    dumped.require("restore_drill")
    dumped.require("restore")


@pytest.mark.parametrize("name", extent.sample("names", ['it\'s \\ "x" ', "dbname=postgres", "a=b", "ä;-- x"], 2))
def test_into_a_name_that_needs_quoting(dumped, name):
    dumped.create("CREATE TABLE t (id int)", "INSERT INTO t VALUES (7)")
    dumped.require("backup")
    try:
        dumped.require("restore", f"--into={name}")
        assert dumped.sql("SELECT id FROM t", database=name) == [(7,)]
        assert dumped.databases == []
    finally:
        quoted = name.replace('"', '""')
        dumped.sql(f'DROP DATABASE IF EXISTS "{quoted}"', database="postgres")


@pytest.mark.parametrize("more", [(), ("--into=shopping",)], ids=["swap", "into"])
def test_security_labels_are_named_as_not_carried_over(dumped, more):
    dumped.create(
        "SET allow_system_table_mods = on;"
        "INSERT INTO pg_shseclabel SELECT oid, 'pg_database'::regclass, 'house', 'it''s secret' FROM pg_database"
        " WHERE datname = 'shop'"
    )
    dumped.require("backup")
    plan = dumped.plan("restore", *more)
    named = "set them afterwards: SECURITY LABEL FOR house ON DATABASE shop IS 'it''s secret'\n"
    assert (plan.returncode, named in plan.stdout) == (0, True), plan.stdout + plan.stderr
