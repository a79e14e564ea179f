"""The database has production's shape, its rules and its data."""

import psycopg
import pytest

pytestmark = pytest.mark.lab


@pytest.fixture
def value(healthy):
    """The single value of a query, as a role."""

    def read(query, role="metachat"):
        with healthy.connect(role) as connection:
            return connection.execute(query).fetchone()[0]

    return read


@pytest.mark.parametrize(
    ("table", "rows"),
    [("tenants", 200), ("conversations", 2000), ("messages", 50000), ("chunks", 20000), ("admin_keys", 6)],
)
def test_seed_is_complete(value, table, rows):
    assert value(f"SELECT count(*) FROM {table}") == rows


@pytest.mark.parametrize(
    "table",
    ["tenants", "channels", "conversations", "messages", "documents", "chunks", "webhooks", "events", "api_logs"],
)
def test_monitor_sees_no_tenant_rows(value, table):
    assert value(f"SELECT count(*) FROM {table}", "opsproof_monitor") == 0


def test_application_reads_only_its_current_tenant(healthy):
    with healthy.connect("metachat_app") as connection:
        connection.execute("SET app.tenant_id = 'ten00007'")
        assert connection.execute('SELECT count(*), min("tenantId") FROM messages').fetchone() == (250, "ten00007")


def test_the_monitor_cannot_write(healthy):
    with healthy.connect("opsproof_monitor") as connection, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        connection.execute("CREATE TABLE x ()")


def test_monitor_cannot_read_key_hashes(healthy):
    with healthy.connect("opsproof_monitor") as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute('SELECT "hashedSecret" FROM admin_keys')


@pytest.mark.parametrize(
    "query",
    [
        "SELECT count(*) FROM pg_stat_statements",
        "SELECT table_len FROM pgstattuple('chunks')",
        "SELECT count(*) FROM (SELECT bt_index_check('chunks_pkey')) AS done",
    ],
)
def test_monitor_can_measure(value, query):
    assert value(query, "opsproof_monitor") > 0


@pytest.mark.parametrize(
    ("setting", "expected"),
    [("data_checksums", "on"), ("max_connections", "50"), ("listen_addresses", "127.0.0.1"), ("fsync", "on")],
)
def test_server_settings_are_as_in_production(value, setting, expected):
    assert value(f"SHOW {setting}") == expected


def test_partitions_cover_three_past_and_two_future_months(value):
    for table in ("messages", "api_logs"):
        assert value(f"SELECT count(*) FROM pg_inherits WHERE inhparent = '{table}'::regclass") == 6


def test_active_keys_are_young_and_the_revoked_one_is_old(value):
    age = """max(extract(epoch FROM now() AT TIME ZONE 'UTC' - coalesce("rotatedAt", "createdAt")) / 86400)"""
    assert value(f"SELECT {age} FROM admin_keys WHERE status = 'active'") < 90
    assert value(f"SELECT {age} FROM admin_keys WHERE status = 'revoked'") > 90


def test_the_vector_index_finds_most_neighbours(healthy):
    nearest = "SELECT id FROM chunks ORDER BY embedding <=> (SELECT embedding FROM chunks WHERE id = %s) LIMIT 10"
    found = {}
    with healthy.connect() as connection:
        for scan in ("off", "on"):
            connection.execute(f"SET enable_indexscan = {scan}")
            connection.execute("SET ivfflat.probes = 10")
            rows = [connection.execute(nearest, (f"chk{n:06d}",)).fetchall() for n in range(0, 20000, 2000)]
            found[scan] = {(n, row) for n, group in enumerate(rows) for row in group}
    assert len(found["on"] & found["off"]) / len(found["off"]) > 0.9
