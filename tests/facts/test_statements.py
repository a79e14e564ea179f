import pytest

from lab.postgres import SUPERUSER
from lab.waiting import wait_until
from opsproof.core.counters import Counter
from opsproof.core.errors import Absent, DatabaseError, MeasurementError
from opsproof.facts.statements import (
    Statement,
    StatementEvictions,
    StatementExtension,
    StatementList,
    Statements,
)
from opsproof.postgres.connection import Result, ask


@pytest.fixture
def recorded_statements(postgres):
    """A session in a database with the extension."""
    with postgres.server.connect(SUPERUSER, postgres.password, "postgres") as admin:
        admin.execute("CREATE EXTENSION pg_stat_statements")
        admin.execute("SELECT pg_stat_statements_reset()")
        yield admin
        admin.execute("DROP EXTENSION pg_stat_statements")


def found(postgres, fact):
    (result,) = ask(postgres.target(), [fact.sql])
    return fact().parse(result, None)


def test_frequent_statements_are_listed_without_literals(recorded_statements, postgres):
    for number in range(25):
        recorded_statements.execute(f"SELECT {number} AS often".encode())
    recorded_statements.execute("SELECT 1, 2 AS seldom")
    for _ in range(25):
        recorded_statements.execute("/* nightly */ CREATE TEMP TABLE x (); DROP TABLE x")
    (statement,) = found(postgres, Statements).statements
    assert (statement.text, statement.calls) == ("SELECT $1 AS often", 25)
    assert 0 < statement.mean_s < 0.1
    assert set(statement.readings) == {f"calls {statement.number}", f"time {statement.number}"}


def test_opsproofs_own_queries_are_excluded(recorded_statements, postgres):
    for _ in range(25):
        recorded_statements.execute("SELECT count(*) FROM pg_stat_activity")
    with pytest.raises(MeasurementError, match="no statement was called 20 times since the last reset"):
        found(postgres, Statements)


def test_rare_statements_are_listed_with_their_deviation(recorded_statements, postgres):
    for _ in range(25):
        recorded_statements.execute("SELECT 1 AS often")
    for seconds in (0.05, 0.15):
        recorded_statements.execute(f"SELECT pg_sleep({seconds})".encode())
    recorded_statements.execute("EXPLAIN ANALYZE SELECT pg_sleep(0.2)")
    recorded_statements.execute("SELECT pg_sleep(0.2) FROM pg_class LIMIT 1")
    listed = found(postgres, Statements)
    assert [each.text for each in listed.statements] == ["SELECT $1 AS often"]
    slowest = listed.rare[0]
    assert (slowest.text, slowest.calls) == ("SELECT pg_sleep($1)", 2)
    assert listed.slowest_rare_s == slowest.mean_s >= 0.1 > listed.slowest_s
    assert slowest.deviation_ms == pytest.approx(slowest.longest_ms - 1000 * slowest.mean_s) != 0


def test_deviation_covers_all_users(recorded_statements, postgres):
    recorded_statements.execute("CREATE ROLE other")
    for _ in range(20):
        recorded_statements.execute("SELECT pg_sleep(0.001)")
    recorded_statements.execute("SET ROLE other")
    recorded_statements.execute("SELECT pg_sleep(0.2)")
    recorded_statements.execute("RESET ROLE")
    recorded_statements.execute("DROP ROLE other")
    (slow,) = found(postgres, Statements).statements
    assert slow.calls == 21
    assert slow.deviation_ms == pytest.approx((slow.longest_ms - 1000 * slow.mean_s) / 20**0.5, rel=0.1)


def test_empty_statistics_are_valid_an_hour_after_reset():
    row = [True, *[None] * 6, 9000.0, 5000.0, "top"]
    assert Statements().parse(Result([row]), None) == StatementList((), (), 5000.0, 9000.0)


def test_statements_are_unknown_without_tracking(recorded_statements, postgres):
    for number in range(25):
        recorded_statements.execute(f"SELECT {number} AS often".encode())
    recorded_statements.execute("ALTER SYSTEM SET pg_stat_statements.track = 'none'")
    recorded_statements.execute("SELECT pg_reload_conf()")
    try:
        wait_until(
            lambda: recorded_statements.execute("SHOW pg_stat_statements.track").fetchone() == ("none",), "reload"
        )
        for fact in (Statements, StatementEvictions):
            with pytest.raises(MeasurementError, match=r"pg_stat_statements\.track is none"):
                found(postgres, fact)
    finally:
        recorded_statements.execute("ALTER SYSTEM RESET pg_stat_statements.track")
        recorded_statements.execute("SELECT pg_reload_conf()")


@pytest.mark.parametrize(
    ("statement", "text"),
    [
        ("SET app.token = 'secret'", "SET"),
        ("EXPLAIN(COSTS off) SELECT 'secret', 42", "EXPLAIN"),
        ("NOTIFY channel, 'secret'", "NOTIFY"),
        ("/* secret */ SELECT 1 -- secret", "SELECT $1"),
        ("SELECT /* secret /* of */ all */ 2, 3", "text unknown"),
        ("(SELECT 1, 'secret')", "(SELECT $1, $2)"),
    ],
)
def test_statement_text_contains_no_literals(recorded_statements, postgres, statement, text):
    recorded_statements.execute("SET pg_stat_statements.track_utility = on")
    for _ in range(25):
        recorded_statements.execute(statement.encode(), prepare=False)
    recorded_statements.execute("RESET pg_stat_statements.track_utility")
    assert [each.text for each in found(postgres, Statements).statements] == [text]


def test_statements_need_pg_monitor():
    with pytest.raises(MeasurementError, match="grant pg_monitor to the role"):
        Statements().parse(Result([[False, *[None] * 6, 1.0, 0.0, "top"]]), None)


def test_installed_extension_has_a_version(recorded_statements, postgres):
    assert found(postgres, StatementExtension)[0].isdigit()
    dropped = found(postgres, StatementEvictions)
    assert dropped.value == 0
    assert dropped.born < dropped.now


def test_database_without_extension_is_absent(postgres):
    with pytest.raises(Absent, match="CREATE EXTENSION pg_stat_statements"):
        found(postgres, StatementExtension)
    with pytest.raises(DatabaseError, match='pg_stat_statements_info" does not exist'):
        found(postgres, StatementEvictions)


def test_server_without_library_is_absent():
    with pytest.raises(Absent, match="shared_preload_libraries"):
        StatementExtension().parse(Result([["1.11", None]]), None)


def test_evictions_are_unknown_without_tracking():
    with pytest.raises(MeasurementError, match=r"pg_stat_statements\.track is none"):
        StatementEvictions().parse(Result([[0, 1.0, 2.0, "none"]]), None)


NOW, DAY_S = 100 * 86400.0, 86400.0


def statement(calls, mean_ms, number="7"):
    return Statement(number, calls, calls * mean_ms, 2 * mean_ms, 0.0, "SELECT 1", NOW, 10.0)


def statements(*found):
    return StatementList(found, (), 10.0, NOW)


def seen(born):
    """The last run, with statements counted since then."""
    return {"statements": [Counter(1, born, 500)]}


def before(calls, mean_ms, number="7", days=30, born=10.0):
    taken = NOW - days * DAY_S
    values = {"calls": calls, "time": calls * mean_ms}
    return {f"{name} {number}": [Counter(value, born, taken)] for name, value in values.items()}


def in_turn(*readings):
    return {name: [each[name][0] for each in readings] for name in readings[0]}


@pytest.mark.parametrize(
    ("now", "earlier", "times"),
    [
        (statement(200, 30), before(100, 20), 2),
        (statement(200, 20), before(100, 20), 1),
        (statement(200, 15), before(100, 20), 0.5),
        (statement(119, 100), before(100, 20), 1),
        (statement(100, 100), before(19, 20), 1),
        (statement(200, 0.9), before(100, 0.1), 1),
        (statement(200, 30), {}, 1),
        (statement(50, 30), before(100, 20), 1),
        (statement(300, 30), in_turn(before(100, 20, days=40), before(200, 25, days=1)), 2),
        (statement(300, 30), in_turn(before(100, 20, days=2), before(290, 30, days=0.01)), 7 / 4),
        (statement(300, 30), in_turn(before(100, 20, days=40), before(200, 40, days=1)), 0.5),
        (statement(200, 30), in_turn(before(50, 10, days=60), before(100, 20, days=27.99)), 2),
        (statement(119, 30), in_turn(before(50, 10, days=60), before(100, 20, days=30)), 1),
        (statement(150, 21), in_turn(before(100, 20, days=40), before(30, 20, days=1)), 17 / 16),
        (statement(150, 21), in_turn(before(100, 20, days=40), before(110, 10, days=30), before(120, 20, days=1)), 2.5),
        (statement(300, 30), in_turn(before(50, 1, born=5.0, days=60), before(200, 20, days=1)), 2.5),
        (statement(300, 30), before(200, 1, born=5.0), 1),
    ],
    ids=[
        "twice as slow since",
        "as before",
        "quicker",
        "too few calls since",
        "too few calls before",
        "slower, and still quick",
        "not known before",
        "forgotten and counted anew",
        "slower since yesterday, by the month before",
        "slower for days, by the oldest on record, and too few calls since the last run",
        "slower for days, and quick again since the last run",
        "by the last run a month ago, short by a few minutes",
        "too few calls since a month ago",
        "forgotten alone, and counted anew since",
        "forgotten in part",
        "counts before a reset are ignored",
        "only known before a reset",
    ],
)
def test_slowdown_compares_with_a_month_ago(now, earlier, times):
    assert now.slowdown(earlier) == pytest.approx(times)


def test_worst_slowdown_comes_first():
    earlier = {**seen(10), **before(100, 20, "1"), **before(100, 20, "2")}
    slowed = statements(statement(200, 20, "1"), statement(200, 60, "2")).slowed(earlier)
    assert [(times, each.number) for times, each in slowed] == [(5, "2"), (1, "1")]


def test_slowdown_is_unknown_without_earlier_run():
    with pytest.raises(MeasurementError, match="no earlier run is on record"):
        statements(statement(200, 30)).slowed({"statements": []})
    assert statements().slowed({"statements": []}) == []
    assert statements(statement(200, 30)).slowed({**seen(10), "calls 7": [], "time 7": []})[0][0] == 1


def test_slowdown_is_unknown_after_reset():
    with pytest.raises(MeasurementError, match="was reset"):
        statements(statement(200, 30)).slowed({**seen(5), **before(100, 20)})


def test_slowest_statement_decides():
    assert statements(statement(20, 300), statement(20, 20)).slowest_s == pytest.approx(0.3)
    assert statements().slowest_s == 0
    assert str(statement(20, 300)) == (
        "300 ms on average (standard deviation 0 ms), 600 ms at most, 20 calls: SELECT 1"
    )
