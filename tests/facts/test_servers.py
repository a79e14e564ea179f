from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from lab.waiting import wait_until
from opsproof.core.counters import Counter
from opsproof.core.errors import MeasurementError, OutputError
from opsproof.facts.releases import releases
from opsproof.facts.servers import DatabaseExtensions, DatabaseRoles, DatabaseServer, DatabaseServers
from opsproof.facts.sizes import RelationSize, RelationSizes, TableChanges
from opsproof.inventory.resources import Database
from opsproof.postgres.connection import Result

DAY = 86400.0
NOW = datetime(2026, 11, 25, tzinfo=UTC).timestamp()


def server(version=180006, **fields):
    return DatabaseServer(version, **{"settings": {}, "pending": (), "damaged": {}, "now": NOW, **fields})


def test_real_server_has_version_and_settings(cluster):
    found = cluster.value(DatabaseServers)
    with cluster.connect() as connection:
        assert found.version == connection.info.server_version
    assert found.off("autovacuum", "track_counts", "full_page_writes", "data_checksums") == []
    assert found.off("fsync") == ["fsync"]
    assert (found.pending, found.checksum_failures) == ((), 0)
    assert abs(found.now - datetime.now(UTC).timestamp()) < 60


def test_settings_pending_restart_are_listed(cluster):
    cluster.run("ALTER SYSTEM SET max_connections = 77", "ALTER SYSTEM SET shared_buffers = '65MB'")

    def pending():
        return cluster.value(DatabaseServers).pending

    cluster.run("SELECT pg_reload_conf()")
    try:
        wait_until(lambda: pending() == ("max_connections", "shared_buffers"), "both settings wait for a restart")
    finally:
        cluster.run("ALTER SYSTEM RESET ALL", "SELECT pg_reload_conf()")
    wait_until(lambda: pending() == (), "no setting waits for a restart")


def test_flipped_bit_is_a_checksum_failure(cluster):
    cluster.run("CREATE DATABASE damaged", database="postgres")
    try:
        with cluster.connect("damaged") as session:
            session.execute("CREATE TABLE page AS SELECT generate_series(1, 100)")
            ((path,),) = session.execute("SELECT pg_relation_filepath('page')")
        cluster.server.stop()
        file = Path(cluster.server.data) / path
        content = bytearray(file.read_bytes())
        content[5000] ^= 1
        file.write_bytes(content)
        cluster.server.start()
        with cluster.connect("damaged") as session, pytest.raises(psycopg.errors.DataCorrupted):
            session.execute("SELECT * FROM page")
        found = cluster.value(DatabaseServers)
        assert (found.damaged, found.checksum_failures) == ({"damaged": 1}, 1)
    finally:
        cluster.run("DROP DATABASE damaged WITH (FORCE)", database="postgres")
    assert cluster.value(DatabaseServers).checksum_failures == 0


def test_checksum_failures_are_unknown_without_checksums():
    with pytest.raises(MeasurementError, match="data checksums are off"):
        _ = server(settings={"data_checksums": "off"}).checksum_failures


def test_hidden_setting_raises():
    with pytest.raises(MeasurementError, match="permission denied for settings fsync: grant pg_monitor"):
        server().off("fsync")


MISSED = {180007: 0, 180006: 1, 180005: 2, 180000: 5, 170012: 0, 170000: 9, 150020: 0, 140025: 0, 140000: 19}


@pytest.mark.parametrize(("version", "missed"), MISSED.items())
def test_releases_with_security_fixes_are_counted(version, missed):
    assert len(server(version).missed) == missed


def test_missed_release_is_listed_with_its_fixes():
    assert "CVE-2026-116314" in server(170011).missed[0].of(17)
    assert server(170011).missed[0].of(17).startswith("17.12 of 2026-11-12: ")


def test_unknown_major_version_raises():
    with pytest.raises(MeasurementError, match=r"unknown PostgreSQL version 19 \(known: 14 to 18\): update opsproof"):
        _ = server(190000).missed


def test_release_list_is_sorted_and_dated():
    known = releases()
    days = [each.date for each in known.security]
    assert days == sorted(days, reverse=True)
    assert known.as_of >= days[0]
    for major in known.ends:
        minors = [each.minors[major] for each in known.security if major in each.minors]
        assert minors == sorted(minors, reverse=True)
    assert all(each.fixes for each in known.security)


def test_support_ends_on_the_listed_day():
    assert releases().supported_s(14, NOW) == -13 * DAY
    assert releases().supported_s(15, NOW) > 300 * DAY
    assert releases().age_s(NOW + 5 * DAY) >= 5 * DAY


def test_extension_has_installed_and_available_version(cluster):
    cluster.run("CREATE EXTENSION hstore VERSION '1.4'")
    found = {each.name: each for each in cluster.value(DatabaseExtensions)}
    cluster.run("DROP EXTENSION hstore")
    assert found["hstore"].installed == "1.4"
    assert found["hstore"].available >= "1.8"
    assert found["plpgsql"].installed == found["plpgsql"].available


def test_extension_without_files_is_reported():
    (found,) = DatabaseExtensions().parse(Result([["gone", "1.0", ""]]), None)
    assert str(found) == "gone 1.0, available: no files"


@pytest.fixture
def roles(cluster):
    """Roles of a server, some of them undeclared or expiring."""
    cluster.run(
        "CREATE ROLE helper SUPERUSER",
        "CREATE ROLE project LOGIN VALID UNTIL '2099-01-01'",
        "CREATE ROLE past LOGIN VALID UNTIL '2020-01-01'",
        "CREATE ROLE for_ever LOGIN VALID UNTIL 'infinity'",
        "CREATE ROLE nobody NOLOGIN VALID UNTIL '2020-01-01'",
    )
    yield lambda **declared: cluster.value(DatabaseRoles, **declared)
    cluster.run("DROP ROLE helper, project, past, for_ever, nobody")


def test_undeclared_superusers_and_expiring_passwords_are_listed(roles):
    found = roles(superusers=["metachat"], expiring_passwords=["project", "for_ever"])
    assert found.undeclared_superusers == ["helper"]
    assert found.unexpected == [
        "the password of past expires (undeclared)",
        "the password of for_ever does not expire (declared to expire)",
    ]
    assert [each.name for each in found.expiring] == ["past", "project"]
    assert found.expiring[0].expires_s < 0
    assert str(found.expiring[0]).startswith("past: expired ")
    assert str(found.expiring[1]).startswith("project: expires in ")


def test_declared_roles_have_no_findings(roles):
    found = roles(superusers=["metachat", "helper"], expiring_passwords=["project", "past"])
    assert (found.undeclared_superusers, found.unexpected) == ([], [])


def test_empty_pg_roles_raises():
    with pytest.raises(OutputError, match="pg_roles is empty"):
        DatabaseRoles().parse(Result([]), Database(dsn="x"))


def test_largest_tables_include_toast(cluster, table):
    table("CREATE TABLE t (id integer, body text)", "ALTER TABLE t ALTER body SET STORAGE EXTERNAL")
    table("INSERT INTO t SELECT n, repeat('x', 4000) FROM generate_series(1, 2000) n", "VACUUM (ANALYZE) t")
    found = cluster.value(RelationSizes)
    assert found.tables[0].name == "public.t"
    assert found.largest_bytes == found.tables[0].size_bytes > 8_000_000
    assert len(found.tables) == len(found.indexes) == 10
    assert not any(each.is_index for each in found.tables)


@pytest.mark.parametrize(
    ("earlier", "text"),
    [
        ([], "no earlier run is on record"),
        ([Counter(4e6, 0.0, NOW)], "+1 MB since 2026-11-25"),
        ([Counter(7e6, 0.0, NOW), Counter(6e6, 0.0, NOW + DAY)], "-2 MB since 2026-11-25"),
        ([Counter(1e6, 0.0, NOW - 99 * DAY), Counter(2e6, 0.0, NOW - 98 * DAY)], "+3 MB since 2026-08-19"),
        ([Counter(9e6, 0.0, NOW + 2 * DAY)], "no earlier run is on record"),
    ],
)
def test_growth_is_in_the_text(earlier, text):
    assert RelationSize("public.t", False, 5_000_000).line(earlier, NOW + 2 * DAY) == f"public.t: 5 MB, {text}"


def test_empty_pg_class_raises():
    with pytest.raises(OutputError, match="pg_class is empty"):
        RelationSizes().parse(Result([]), None)


def test_changes_of_every_table_are_counted(cluster, table):
    table(
        "CREATE TABLE t (id int PRIMARY KEY, note text)",
        "INSERT INTO t SELECT n, 'a' FROM generate_series(1, 100) n",
        "UPDATE t SET note = 'b' WHERE id <= 10",
        "DELETE FROM t WHERE id > 95",
    )
    found = cluster.value(TableChanges)
    (changed,) = [each for each in found.tables if each.name == "public.t"]
    assert {kind.split()[0]: each.value for kind, each in changed.counters.items()} == {
        "inserted": 100, "updated": 10, "deleted": 5,
    }  # fmt: skip
    assert changed.size_bytes >= 2 * 8192
    earlier = {
        name: [replace(each, value=each.value - 3, now=each.now - 86_400)] for name, each in found.readings.items()
    }
    assert "public.t: " in changed.line(earlier)
    assert ", 3 inserted, 3 updated, 3 deleted since 20" in changed.line(earlier)


def test_locked_table_has_no_size(cluster, table):
    table("CREATE TABLE t (id int)")
    with cluster.connect() as holding, holding.transaction():
        holding.execute("LOCK TABLE t")
        found = {each.name: each for each in cluster.value(TableChanges).tables}
    assert found["public.t"].line({}).startswith("public.t: locked, 0 inserted, 0 updated, 0 deleted since 20")
