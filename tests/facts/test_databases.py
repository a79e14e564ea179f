from contextlib import ExitStack

import pytest

from lab.waiting import wait_until
from opsproof.core.errors import DatabaseError, MeasurementError, OutputError
from opsproof.facts.databases import ConnectionUse, DatabaseConnections, DatabasePings, MaintenanceMemory
from opsproof.postgres.connection import Result, ask


def test_real_server_accepts_and_counts_clients(postgres):
    received, connected = ask(postgres.target(), [DatabasePings.sql, DatabaseConnections.sql])
    reception = DatabasePings().parse(received, None)
    assert reception.refusal == ""
    assert reception.answer_s == received.elapsed_s > 0
    use = DatabaseConnections().parse(connected, None)
    assert use.by_state["active"] >= 1
    assert use.available == 50 - 3
    assert 0 < use.used < 100


def test_refused_connection_has_no_answer_time():
    reception = DatabasePings().parse(Result(refusal="too many clients already", elapsed_s=0.1), None)
    assert reception.refusal == "too many clients already"
    with pytest.raises(MeasurementError, match="connection refused: too many clients already"):
        _ = reception.answer_s


@pytest.mark.parametrize("result", [Result(error="password authentication failed")])
def test_login_error_is_a_measurement_error(result):
    with pytest.raises(DatabaseError, match="password"):
        DatabasePings().parse(result, None)


@pytest.mark.parametrize("rows", [[], [[2]], [[1], [1]], [["1"]]])
def test_unexpected_result_of_select_1_raises(rows):
    with pytest.raises(OutputError, match="SELECT 1 returned"):
        DatabasePings().parse(Result(rows), None)


def test_connections_count_by_state():
    use = DatabaseConnections().parse(
        Result([["active", 2, 47, True, None], ["idle in transaction", 45, 47, True, None]]), None
    )
    assert use == ConnectionUse({"active": 2, "idle in transaction": 45}, 47)
    assert use.used == 100


def test_fullest_limit_decides(cluster):
    cluster.run(
        "CREATE ROLE app LOGIN PASSWORD 'app' CONNECTION LIMIT 4",
        "CREATE ROLE boss SUPERUSER LOGIN PASSWORD 'boss' CONNECTION LIMIT 1",
    )
    try:
        with ExitStack() as held:
            for name, statement in (
                ("app", "BEGIN"),
                ("app", "BEGIN"),
                ("app", "SELECT"),
                ("boss", "BEGIN"),
                ("boss", ""),
            ):
                held.enter_context(cluster.server.connect(name, name, "facts")).execute(statement)
            use = cluster.value(DatabaseConnections)
            assert (use.own, use.used, use.evidence[0]) == ((("role app", 2, 4),), 50, "role app: 2 of 4")
            cluster.run("ALTER DATABASE facts CONNECTION LIMIT 7", database="postgres")
            wait_until(lambda: cluster.value(DatabaseConnections).own[0][1:] == (6, 7), "five hold, and one asks")
            assert cluster.value(DatabaseConnections).used == pytest.approx(100 * 6 / 7)
    finally:
        cluster.run("ALTER DATABASE facts CONNECTION LIMIT -1", "DROP ROLE app, boss", database="postgres")


def test_connection_limit_of_zero_is_ignored(cluster):
    cluster.run("ALTER DATABASE facts CONNECTION LIMIT 0", "ALTER ROLE opsproof_monitor SUPERUSER", database="postgres")
    try:
        assert cluster.value(DatabaseConnections).own == ()
    finally:
        cluster.run(
            "ALTER DATABASE facts CONNECTION LIMIT -1", "ALTER ROLE opsproof_monitor NOSUPERUSER", database="postgres"
        )


def test_role_without_pg_monitor_cannot_count_connections():
    with pytest.raises(MeasurementError, match="pg_monitor"):
        DatabaseConnections().parse(Result([["active", 1, 47, False, None]]), None)


def test_empty_pg_stat_activity_raises():
    with pytest.raises(OutputError, match="even the current connection is missing"):
        DatabaseConnections().parse(Result([]), None)


def test_real_server_reports_maintenance_work_mem(postgres):
    (result,) = ask(postgres.target(), [MaintenanceMemory.sql])
    assert MaintenanceMemory().parse(result, None) == 64 * 2**20


@pytest.mark.parametrize("rows", [[], [[None]], [["64MB"]], [[1], [2]], [[1, 2]]])
def test_malformed_maintenance_memory_raises(rows):
    with pytest.raises((ValueError, TypeError)):
        MaintenanceMemory().parse(Result(rows), None)
