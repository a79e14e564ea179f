"""What a dump leaves out is refused, or declared and then named by plan, manifest, drill and restore."""

import json
import re
import shlex
import subprocess
from dataclasses import replace

import pytest

from tests.restore.databases import Dumped

SUBSCRIBED = "CREATE SUBSCRIPTION orders CONNECTION 'host=127.0.0.1 port=9' PUBLICATION p WITH (connect = false)"
MAPPED = (
    "CREATE EXTENSION postgres_fdw",
    "CREATE SERVER warehouse FOREIGN DATA WRAPPER postgres_fdw",
    "CREATE USER MAPPING FOR PUBLIC SERVER warehouse OPTIONS (user 'reader', password 'hidden')",
    "CREATE FOREIGN TABLE far (id int) SERVER warehouse",
)
DECLARED = (
    'not_dumped = { "subscription *" = "made again by hand", '
    '"options of user mapping public on server warehouse" = "the password is in the vault" }\n'
)
NAMED = "options of user mapping public on server warehouse, rows of foreign table public.far, subscription orders"


@pytest.fixture
def dumped(postgres_server, tmp_path):
    """A database with a table; dumped by a role that is no superuser."""
    database = Dumped(postgres_server, tmp_path, dumper="shop_dumper")
    role = f"CREATE ROLE shop_dumper LOGIN BYPASSRLS PASSWORD '{postgres_server.password}' IN ROLE pg_read_all_data"
    database.create(role, "CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    yield database
    for name in ["shop", *(f"shop_{each}" for each in database.databases)]:
        for (subscription,) in database.sql(
            f"SELECT subname FROM pg_subscription JOIN pg_database d ON d.oid = subdbid WHERE datname = '{name}'",
            database=name,
        ):
            ending = ("DISABLE", "SET (slot_name = NONE)")
            database.sql(
                *(f"ALTER SUBSCRIPTION {subscription} {each}" for each in ending),
                f"DROP SUBSCRIPTION {subscription}",
                database=name,
            )
    database.drop()
    database.sql("DROP ROLE shop_dumper", database="postgres")


@pytest.mark.parametrize(
    ("statements", "lost"),
    [
        ((SUBSCRIBED,), "subscription orders"),
        (MAPPED, "options of user mapping public on server warehouse"),
    ],
    ids=["subscription", "user mapping"],
)
def test_dump_without_something_is_refused_by_plan_and_run(dumped, statements, lost):
    dumped.sql(*statements)
    for done in (dumped.plan("backup"), dumped.run("backup")):
        assert done.returncode == 3
        assert f"pg_dump as shop_dumper leaves out {lost}: dump as a superuser, or declare not_dumped" in done.stderr
    assert list((dumped.folder / "backups").iterdir()) == []


def test_refusal_without_passwords_names_both_ways_out(dumped):
    dumped.sql("REVOKE pg_read_all_data FROM shop_dumper", "GRANT SELECT ON t TO shop_dumper")
    grant, declaration = "GRANT pg_read_all_data TO shop_dumper", 'not_dumped = { "passwords of roles" = "reason" }'
    for done in (dumped.plan("backup"), dumped.run("backup")):
        assert done.returncode == 3
        assert f"leaves out passwords of roles: {grant}, or declare {declaration}" in done.stderr
    replace(dumped, more=declaration).require("backup")
    dumped.sql(grant)
    dumped.require("backup")
    without, with_passwords = sorted((dumped.folder / "backups").glob("*.globals.sql"))
    assert ("PASSWORD" in without.read_text(), "PASSWORD" in with_passwords.read_text()) == (False, True)


def test_rows_of_tables_with_hostile_names_are_counted(dumped):
    """A name is text for psql, not a command or a variable; a table may have no column to copy."""
    name = '\\! exit 1\n\\q :of ""x"" $1 end'
    dumped.sql(f'CREATE TABLE "{name}" ("{name}" int)', f'INSERT INTO "{name}" VALUES (1), (2)')
    dumped.sql("CREATE TABLE bare ()", "INSERT INTO bare DEFAULT VALUES", "CREATE TABLE vacant (made int)")
    dumped.sql("CREATE TABLE made (made int GENERATED ALWAYS AS (7) STORED)", "INSERT INTO made DEFAULT VALUES")
    dumped.require("backup")
    (path,) = (dumped.folder / "backups").glob("*.manifest.json")
    rows = {table: count for _, table, count in json.loads(path.read_text())["tables"]}
    assert rows == {name.replace('""', '"'): 2, "bare": 1, "made": 1, "t": 1, "vacant": 0}


def test_declared_omissions_are_named_by_plan_manifest_drill_and_restore(dumped):
    dumped.sql(SUBSCRIBED, *MAPPED)
    dumped = replace(dumped, more=DECLARED)
    assert f"without {NAMED}" in dumped.plan("backup").stdout
    assert "pg_dump: warning: subscriptions not dumped" in dumped.require("backup")
    (path,) = (dumped.folder / "backups").glob("*.manifest.json")
    assert [" ".join(each) for each in json.loads(path.read_text())["not_dumped"]] == NAMED.split(", ")
    assert f"not in the backup: {NAMED}" in dumped.require("restore_drill")
    assert f"without {NAMED}" in dumped.plan("restore").stdout
    measured = [entry["measured"] for entry in dumped.journal]
    assert [each["not_dumped"] for each in measured] == [NAMED, NAMED]
    assert "pg_dump: warning: subscriptions not dumped" in measured[0]["warnings"]
    assert dumped.differences == []
    assert "hidden" not in (dumped.folder / "reports" / "journal.jsonl").read_text()


def test_drill_fails_for_an_omission_no_longer_declared(dumped):
    dumped.sql(SUBSCRIBED)
    replace(dumped, more=DECLARED).require("backup")
    done = dumped.run("restore_drill")
    assert (done.returncode, "subscription orders is not in the backup" in done.stderr) == (5, True)


@pytest.mark.parametrize(
    ("warning", "status"),
    [
        ("pg_dump: warning: something new", 5),
        ('WARNING:  database "shop" has a collation version mismatch', 0),
        ('WARNING:  invalid value for parameter "default_table_access_method": "heap2"', 0),
        ("perl: warning: Setting locale failed.", 0),
    ],
)
def test_backup_with_an_unknown_warning_is_not_proven(dumped, script, warning, status):
    real = dumped.postgres.server._programs() / "pg_dump"
    script(dumped.folder / "bin" / "pg_dump", f"echo '{warning} password=hidden' >&2\nexec {real} \"$@\"")
    done = replace(dumped, programs=str(dumped.folder / "bin")).run("backup")
    assert (done.returncode, "with a warning: pg_dump: warning: something new" in done.stderr) == (status, status == 5)
    printed = f"{warning} password=***" in done.stdout
    assert (printed, "hidden" in done.stdout + done.stderr) == (not warning.startswith("perl"), False)
    assert len(list((dumped.folder / "backups").glob("*.manifest.json"))) == 1


def commands(text):
    """The psql commands in a text, as a person would run them."""
    return [shlex.split(each) for each in re.findall(r"psql -d .*?(?=; | \(run|\n)", text)]


def ran(dumped, words):
    """Runs a printed command with the password of the superuser, who has no other."""
    program = dumped.postgres.server._programs() / words[0]
    return subprocess.run(
        [program, *words[1:]],
        env={"PGPASSWORD": dumped.postgres.password, "PATH": "/usr/bin:/bin"},
        check=False, capture_output=True, text=True, timeout=30,
    )  # fmt: skip


def test_old_database_with_a_subscription_is_dropped_after_the_printed_commands(dumped):
    """The superuser dumps the subscription: the restored database has one too, which uses the same slot."""
    dumped = replace(dumped, dumper="")
    dumped.sql(SUBSCRIBED, "ALTER SUBSCRIPTION orders ENABLE")
    assert "is disabled" not in dumped.require("backup")
    assert "subscription was created, but is not connected" in dumped.require("restore_drill")
    said = dumped.require("restore")
    assert "subscription orders is disabled in shop; then enable the subscription:" in said
    assert dumped.journal[-1]["measured"]["subscriptions"].startswith("subscription orders still feeds shop_before_")
    for done in (dumped.plan("restore", "--drop-old"), dumped.run("restore", "--drop-old")):
        assert done.returncode == 3
        assert "has subscription orders, which prevents the drop; to end the subscription: psql -d " in done.stderr
    for words in commands(done.stderr):
        assert ran(dumped, words).returncode == 0
    dumped.require("restore", "--drop-old")
    assert dumped.databases == []
    assert ran(dumped, commands(said)[-1]).returncode == 0
    assert dumped.sql("SELECT subenabled FROM pg_subscription") == [(True,)]


def test_old_database_alone_has_the_subscription(dumped):
    dumped.sql(SUBSCRIBED, "ALTER SUBSCRIPTION orders SET (slot_name = NONE)")
    dumped = replace(dumped, more=DECLARED)
    dumped.require("backup")
    said = dumped.require("restore")
    assert "subscription orders still feeds shop_before_" in said
    assert "then enable" not in said
    assert [each[-1] for each in commands(said)] == [
        'ALTER SUBSCRIPTION "orders" DISABLE',
        'DROP SUBSCRIPTION "orders"',
    ]
    for words in commands(said):
        assert ran(dumped, words).returncode == 0
    dumped.require("restore", "--drop-old")
    assert dumped.databases == []
