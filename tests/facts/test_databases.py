from contextlib import ExitStack

import pytest

from lab.waiting import wait_until
from opsproof.core.errors import DatabaseError, MeasurementError, OutputError
from opsproof.facts.databases import ConnectionUse, DatabaseConnections, DatabaseReceptions, MaintenanceMemory
from opsproof.postgres.connection import Result, ask


def test_a_real_server_receives_and_counts_its_clients(postgres):
    received, connected = ask(postgres.target(), [DatabaseReceptions.sql, DatabaseConnections.sql])
    reception = DatabaseReceptions().parse(received, None)
    assert reception.refusal == ""
    assert reception.answer_s == received.elapsed_s > 0
    use = DatabaseConnections().parse(connected, None)
    assert use.by_state["active"] >= 1
    assert use.available == 50 - 3
    assert 0 < use.used < 100


def test_a_refusal_is_a_measurement_without_a_time():
    reception = DatabaseReceptions().parse(Result(refusal="too many clients already", elapsed_s=0.1), None)
    assert reception.refusal == "too many clients already"
    with pytest.raises(MeasurementError, match="connection refused: too many clients already"):
        _ = reception.answer_s


@pytest.mark.parametrize("result", [Result(error="password authentication failed")])
def test_our_own_mistake_is_no_refusal(result):
    with pytest.raises(DatabaseError, match="password"):
        DatabaseReceptions().parse(result, None)


@pytest.mark.parametrize("rows", [[], [[2]], [[1], [1]], [["1"]]])
def test_another_answer_than_one_is_no_reception(rows):
    with pytest.raises(OutputError, match="SELECT 1 returned"):
        DatabaseReceptions().parse(Result(rows), None)


def test_connections_are_counted_by_state():
    use = DatabaseConnections().parse(
        Result([["active", 2, 47, True, None], ["idle in transaction", 45, 47, True, None]]), None
    )
    assert use == ConnectionUse({"active": 2, "idle in transaction": 45}, 47)
    assert use.used == 100


def test_the_fullest_of_all_limits_is_judged(cluster):
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


def test_a_limit_of_nothing_bars_and_is_never_full(cluster):
    cluster.run("ALTER DATABASE facts CONNECTION LIMIT 0", "ALTER ROLE opsproof_monitor SUPERUSER", database="postgres")
    try:
        assert cluster.value(DatabaseConnections).own == ()
    finally:
        cluster.run(
            "ALTER DATABASE facts CONNECTION LIMIT -1", "ALTER ROLE opsproof_monitor NOSUPERUSER", database="postgres"
        )


def test_a_role_that_sees_only_itself_counts_nothing():
    with pytest.raises(MeasurementError, match="pg_monitor"):
        DatabaseConnections().parse(Result([["active", 1, 47, False, None]]), None)


def test_a_view_that_shows_nothing_is_not_a_server_without_clients():
    with pytest.raises(OutputError, match="even the current connection is missing"):
        DatabaseConnections().parse(Result([]), None)


def test_a_real_server_says_how_much_memory_maintenance_may_take(postgres):
    (result,) = ask(postgres.target(), [MaintenanceMemory.sql])
    assert MaintenanceMemory().parse(result, None) == 64 * 2**20


@pytest.mark.parametrize("rows", [[], [[None]], [["64MB"]], [[1], [2]], [[1, 2]]])
def test_maintenance_memory_is_one_number_of_bytes(rows):
    with pytest.raises((ValueError, TypeError)):
        MaintenanceMemory().parse(Result(rows), None)
