"""Maintenance on PostgreSQL 15 (Debian 12), by a member of the owner: pg_maintain came with 17."""

from pathlib import Path

import pytest

from lab import credentials, ports, postgres
from lab.layout import Layout
from lab.waiting import wait_until
from tests.maintenance.conftest import ROOT, Place, month, partition_of

PROGRAMS = Path("/usr/lib/postgresql/15/bin")
pytestmark = pytest.mark.skipif(not PROGRAMS.exists(), reason="PostgreSQL 15 is not installed")


class Older(postgres.Server):
    """A server from Debian's package."""

    def _programs(self):
        return PROGRAMS


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    layout = Layout(tmp_path_factory.mktemp("older"))
    layout.create()
    secrets, server = credentials.load(layout), Older(layout, ports.free())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            postgres, "INITDB", ("--username=metachat", "--auth=scram-sha-256", "--no-sync", "--locale=C.UTF-8")
        )
        server.initialise(secrets.passwords["metachat"])
    server.start()
    with server.connect("metachat", secrets.passwords["metachat"], "postgres") as connection:
        connection.execute("CREATE DATABASE metachat")
    credentials.publish(layout, secrets, 1, server.port)
    server.link(layout.bin)
    yield server, secrets, layout
    server.remove()


@pytest.fixture(scope="module")
def place(site, tmp_path_factory):
    made = Place(*site, tmp_path_factory.mktemp("place"))
    for name in ("monitor", "maintain"):
        made.sql((ROOT / "docs" / "privileges" / f"{name}.sql").read_text())
    made.sql(
        "CREATE ROLE keeper; GRANT keeper TO opsproof_maintain; CREATE SCHEMA t AUTHORIZATION keeper;"
        "ALTER ROLE opsproof_maintain PASSWORD 'maintained'; SET ROLE keeper;"
        "CREATE TABLE t.rows WITH (autovacuum_enabled = off) AS"
        " SELECT n AS id, n AS at FROM generate_series(1, 30000) n;"
        "ALTER TABLE t.rows ADD PRIMARY KEY (id);"
        "CREATE TABLE t.months (at timestamptz NOT NULL) PARTITION BY RANGE (at);"
        f"CREATE TABLE t.{partition_of(made, 'months', 0)} PARTITION OF t.months"
        f" FOR VALUES FROM ('{month(made, 0)} 00:00Z') TO ('{month(made, 1)} 00:00Z')"
    )
    passfile = made.folder / "pgpass"
    passfile.write_text("*:*:*:opsproof_maintain:maintained\n")
    passfile.chmod(0o600)
    made.role, made.passfile = "opsproof_maintain", str(passfile)
    return made


def test_tables_are_vacuumed_and_analyzed(place):
    place.sql("UPDATE t.rows SET at = at + 1")
    wait_until(lambda: "vacuum t.rows" in place.run("vacuum").stdout, "dead rows are counted")
    place.do("vacuum")
    assert place.value("SELECT pg_stat_get_dead_tuples('t.rows'::regclass)") == 0
    place.do("analyze", "--table", "t.rows", "--table", "t.months")


def test_leftover_is_dropped_and_index_is_rebuilt(place):
    with (
        place.holding("UPDATE t.rows SET at = at WHERE id = 1"),
        place.building("REINDEX INDEX CONCURRENTLY t.rows_pkey"),
    ):
        place.await_build()
    said = place.do("reindex", "--index", "t.rows_pkey")
    assert "drop t.rows_pkey_ccnew" in said
    assert "rebuild t.rows_pkey" in said
    assert place.invalid == []


def test_partitions_are_created(place):
    newest = f"t.{partition_of(place, 'months', 0)}"
    place.sql(
        f"CREATE PUBLICATION own FOR TABLE {newest}; ALTER PUBLICATION own OWNER TO keeper; SET ROLE keeper;"
        f"ALTER TABLE {newest} REPLICA IDENTITY FULL, ALTER at SET STATISTICS 500; CREATE INDEX ON {newest} (at);"
        f"CREATE POLICY seen ON {newest} FOR SELECT USING (at > now()); GRANT SELECT (at) ON {newest} TO PUBLIC"
    )
    said = place.do("add_partitions", "--table", "t.months", "--ahead", "2")
    assert (
        f"{partition_of(place, 'months', 1)} differs from {newest.removeprefix('t.')}: missing INDEX btree (at)\n"
        in said
    )
    assert place.value("SELECT count(*) FROM pg_publication_tables WHERE pubname = 'own'") == 3
    made = place.sql(
        "SELECT relname FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE inhparent = 't.months'::regclass"
    )
    assert {name for (name,) in made} >= {partition_of(place, "months", ahead) for ahead in range(3)}


def test_sessions_are_ended(place):
    with place.holding("SELECT 1") as pid:
        place.sql("GRANT pg_signal_backend TO opsproof_maintain; ALTER ROLE opsproof_maintain SUPERUSER")
        assert f"end process {pid} " in place.do("end_sessions", "--in-transaction", "0s")
        assert place.value(f"SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}") == 0
    place.sql("ALTER ROLE opsproof_maintain NOSUPERUSER")


def test_redundant_index_is_printed(place):
    place.sql("CREATE INDEX spare ON t.rows (id)")
    assert "DROP INDEX CONCURRENTLY t.spare;" in place.run("drop_indexes").stdout
