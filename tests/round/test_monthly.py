"""Monthly rounds from end to end: recorded samples and remedies."""

import secrets

import pytest

from lab.postgres import SUPERUSER, leave_invalid

REPLICATION = "checks/replication"


@pytest.fixture
def inventory(tmp_path, postgres, repository, toml):
    """A host with the database postgres and the limits of production; `more` extends the database."""

    def inventory(more=""):
        path = tmp_path / f"{secrets.token_hex(4)}.toml"
        dsn = f"host=127.0.0.1 port={postgres.server.port} dbname=postgres user={SUPERUSER}"
        path.write_text(
            f"extends = {toml(str(repository / 'inventory' / 'metachat.toml'))}\n"
            f'[hosts.vps]\ntransport = "local://"\n[hosts.vps.databases.db]\ndsn = "{dsn}"\n'
            f'password_env = "TEST_PASSWORD"\n{more}'
        )
        return path

    return inventory


@pytest.fixture
def admin(postgres):
    with postgres.server.connect(SUPERUSER, postgres.password, "postgres") as admin:
        admin.execute("CREATE SCHEMA shop; CREATE TABLE shop.t (id int PRIMARY KEY, a int)")
        yield admin
        admin.execute("DROP SCHEMA shop CASCADE")


def test_remedy_names_the_objects_to_repair(admin, postgres, inventory, prove, tmp_path):
    with postgres.server.connect(SUPERUSER, postgres.password, "postgres") as other, other.transaction():
        other.execute("LOCK TABLE shop.t IN ROW EXCLUSIVE MODE")
        for name in ("one", "two"):
            leave_invalid(admin, other, f"CREATE INDEX CONCURRENTLY {name} ON shop.t (a)")
    admin.execute("CREATE INDEX pairs ON shop.t (a, id); CREATE INDEX spare ON shop.t (a)")
    path = inventory()
    found = prove(path, "checks/indexes", reports=tmp_path / "reports")
    where = f"--inventory={path} --reports={tmp_path / 'reports'} --host vps --database db"
    told = {test: said.get("remedy") for test, said in found.properties.items()}
    assert found.status == 1, found.text
    assert told["test_indexes_are_valid[vps-db]"].endswith(
        f" actions/reindex.py {where} --apply --index shop.one --index shop.two"
    )
    assert found.verdicts["test_no_index_is_redundant[vps-db]"] == "warned"
    assert told["test_no_index_is_redundant[vps-db]"].endswith(f" actions/drop_indexes.py {where} --index shop.spare")
    assert told["test_no_interrupted_index_build_remains[vps-db]"] is None


def test_samples_are_recorded_for_the_next_run(admin, inventory, prove, tmp_path):
    path, table = inventory(), "test_large_tables_use_index_scans[vps-db]"
    admin.execute("INSERT INTO shop.t SELECT n, n FROM generate_series(1, 12000) n; SELECT pg_stat_force_next_flush()")
    admin.execute("VACUUM ANALYZE shop.t")
    for number in range(30):
        admin.execute(f"SELECT FROM shop.t WHERE a = {number}")
    admin.execute("SELECT pg_stat_force_next_flush()")
    first = prove(path, "checks/indexes/test_table_scans.py", reports=tmp_path / "first")
    second = prove(path, "checks/indexes/test_table_scans.py", reports=tmp_path / "first", PYTHONHASHSEED="1")
    assert "shop.t: 12000 rows, read in full 30 times, 0 index scans" in first.text
    assert table in first.text
    assert table not in second.text


@pytest.mark.parametrize(
    ("more", "test", "verdict"),
    [
        ("", "test_standby_lag_is_within_limit[vps-db]", "passed"),
        ('standbys = ["far", "near"]', "test_standby_lag_is_within_limit[vps-db]", "failed"),
        ("", "test_wal_archiving_succeeds[vps-db]", "passed"),
        ("archived = true", "test_wal_archiving_succeeds[vps-db]", "failed"),
    ],
)
def test_declared_archive_and_standby_are_required(inventory, prove, more, test, verdict):
    found = prove(inventory(more), REPLICATION)
    assert found.verdicts[test] == verdict


def test_missing_standby_is_named(inventory, prove):
    text = prove(inventory('standbys = ["far", "near"]'), REPLICATION).text
    assert "declared standby not connected: far, near" in text
