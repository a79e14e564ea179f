"""Read-only sessions, with a real server."""

import threading
from dataclasses import replace

import pytest

from lab.waiting import wait_until
from opsproof.core.errors import DatabaseError
from opsproof.postgres.connection import DatabaseTarget, Result, ask


def rows(database, *queries):
    return [result.require() for result in ask(database, list(queries))]


def test_results_are_in_the_order_of_the_queries(postgres):
    assert rows(postgres.target(), "SELECT 1", "SELECT 'two', null", "SELECT 3 WHERE false") == [
        [[1]], [["two", None]], [],
    ]  # fmt: skip


def test_queries_share_one_connection(postgres):
    pids = rows(postgres.target(), *["SELECT pg_backend_pid()"] * 20)
    assert len({pid for ((pid,),) in pids}) == 1


def test_percent_sign_is_no_placeholder(postgres):
    assert rows(postgres.target(), "SELECT 'a%s' LIKE '%s'") == [[[True]]]


def test_text_in_a_sql_ascii_database(postgres):
    made = "CREATE DATABASE plain ENCODING 'SQL_ASCII' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0"
    with postgres.server.connect("metachat", postgres.password, "postgres") as admin:
        admin.execute(made)
        target = postgres.target()
        try:
            assert rows(replace(target, dsn=f"{target.dsn} dbname=plain"), "SELECT 'ä', ARRAY['ö']") == [[["ä", ["ö"]]]]
        finally:
            admin.execute("DROP DATABASE plain WITH (FORCE)")


def test_parameters_are_sent_separately(postgres):
    hostile = "'; DROP TABLE x; --"
    assert rows(postgres.target(), ["SELECT $1::text, $2::int + 1", hostile, "41"], "SELECT 7") == [
        [[hostile, 42]],
        [[7]],
    ]


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ("CREATE TABLE x ()", "cannot execute CREATE TABLE in a read-only transaction"),
        ("SELECT lo_create(0)", "cannot execute lo_create() in a read-only transaction"),
        ("SELECT nothing", 'column "nothing" does not exist'),
        ("SELECT 1/0", "division by zero"),
        ("SELECT 1; SELECT 2", "cannot insert multiple commands into a prepared statement"),
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_failing_query_does_not_affect_the_others(postgres, query, complaint, place):
    queries = ["SELECT 1", "SELECT 2"]
    queries.insert(place, query)
    results = ask(postgres.target(), queries)
    assert complaint in results[place].error
    assert [each.rows for index, each in enumerate(results) if index != place] == [[[1]], [[2]]]
    with pytest.raises(DatabaseError, match=r"[a-z]"):
        results[place].require()


def test_each_failing_query_has_its_error(postgres):
    results = ask(postgres.target(), ["SELECT a", "SELECT b", "SELECT 1", "SELECT c"])
    assert [each.error[:10] for each in results] == ['column "a"', 'column "b"', "", 'column "c"']
    assert results[2].rows == [[1]]


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("transaction_read_only", "on"),
        ("statement_timeout", "1500ms"),
        ("lock_timeout", "1s"),
        ("row_security", "off"),
        ("application_name", "opsproof"),
    ],
)
def test_session_settings_are_read_only(postgres, setting, value):
    assert rows(postgres.target(timeout="1.5s"), f"SHOW {setting}") == [[[value]]]


def test_slow_query_is_cancelled(postgres):
    slow, quick = ask(postgres.target(timeout="300ms"), ["SELECT pg_sleep(60)", "SELECT 1"])
    assert "canceling statement due to statement timeout" in slow.error
    assert quick.rows == [[1]]


def test_locked_table_hits_lock_timeout(postgres):
    with postgres.server.connect("metachat", postgres.password, "postgres") as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS locked ()")
        with connection.transaction():
            connection.execute("LOCK TABLE locked")
            (result,) = ask(postgres.target(), ["SELECT count(*) FROM public.locked"])
    assert "canceling statement due to lock timeout" in result.error


def test_role_under_row_level_security_gets_an_error(postgres, monkeypatch):
    with postgres.server.connect("metachat", postgres.password, "postgres") as connection:
        connection.execute("DROP TABLE IF EXISTS secret")
        connection.execute("DROP ROLE IF EXISTS reader")
        connection.execute("CREATE ROLE reader LOGIN PASSWORD 'reader'")
        connection.execute("CREATE TABLE secret (id int)")
        connection.execute("ALTER TABLE secret ENABLE ROW LEVEL SECURITY")
        connection.execute("GRANT SELECT ON secret TO reader")
    monkeypatch.setenv("READER", "reader")
    reader = postgres.target(password_env="READER")
    reader = replace(reader, dsn=reader.dsn.replace("user=metachat", "user=reader"))
    (result,) = ask(reader, ["SELECT count(*) FROM public.secret"])
    assert 'query would be affected by row-level security policy for table "secret"' in result.error


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"password_env": "NOT_THERE"}, "environment variable NOT_THERE is not set: it must hold the password"),
        ({"password_env": "WRONG_PASSWORD"}, "password authentication failed"),
        ({"password_env": ""}, "no password supplied"),
        ({"dsn": "host=127.0.0.1 port={port} user=none"}, 'password authentication failed for user "none"'),
        ({"dsn": "host=no-such-host.invalid"}, "no-such-host.invalid"),
        ({"dsn": "hots=127.0.0.1"}, 'invalid connection option "hots"'),
    ],
)
def test_client_mistake_is_an_error_and_no_refusal(postgres, monkeypatch, change, complaint):
    monkeypatch.setenv("WRONG_PASSWORD", "wrong")
    monkeypatch.delenv("NOT_THERE", raising=False)
    monkeypatch.setenv("PGPASSFILE", "/dev/null")
    if "dsn" in change:
        change = {"dsn": change["dsn"].format(port=postgres.server.port)}
    results = ask(postgres.target(**change), ["SELECT 1", "SELECT 2"])
    assert [(result.rows, result.refusal) for result in results] == [([], "")] * 2
    for result in results:
        with pytest.raises(DatabaseError, match=complaint):
            result.require()


def test_missing_database_is_a_refusal(postgres):
    dsn = f"host=127.0.0.1 port={postgres.server.port} dbname=none user=metachat"
    (result,) = ask(postgres.target(dsn=dsn), ["SELECT 1"])
    assert ('database "none" does not exist' in result.refusal, result.error) == (True, "")


def test_database_without_connect_privilege_is_no_refusal(postgres, monkeypatch):
    monkeypatch.setenv("OUTSIDER_PASSWORD", "outsider")
    with postgres.server.connect("metachat", postgres.password, "postgres") as admin:
        admin.execute("CREATE DATABASE closed")
        admin.execute("REVOKE CONNECT ON DATABASE closed FROM PUBLIC")
        admin.execute("CREATE ROLE outsider LOGIN PASSWORD 'outsider'")
        try:
            dsn = f"host=127.0.0.1 port={postgres.server.port} dbname=closed user=outsider"
            (result,) = ask(replace(postgres.target(password_env="OUTSIDER_PASSWORD"), dsn=dsn), ["SELECT 1"])
        finally:
            admin.execute("DROP DATABASE closed")
            admin.execute("DROP ROLE outsider")
    assert (result.refusal, 'permission denied for database "closed"' in result.error) == ("", True)


def test_messages_do_not_contain_the_password(postgres, monkeypatch):
    monkeypatch.setenv("WRONG_PASSWORD", "hunter2-hunter2")
    (result,) = ask(postgres.target(password_env="WRONG_PASSWORD"), ["SELECT 1"])
    assert "hunter2" not in result.error


def test_closed_port_is_a_refusal_in_one_line(free_port):
    (result,) = ask(_database(free_port), ["SELECT 1"])
    assert "Connection refused" in result.refusal
    assert "\n" not in result.refusal
    with pytest.raises(DatabaseError, match="Connection refused"):
        result.require()


def _database(port):
    return DatabaseTarget(f"host=127.0.0.1 port={port} user=nobody", "", 5.0)


def test_server_without_free_slots_is_a_refusal(postgres, monkeypatch):
    monkeypatch.setenv("CROWD_PASSWORD", "crowd")
    with postgres.server.connect("metachat", postgres.password, "postgres") as admin:
        admin.execute("DROP ROLE IF EXISTS crowd")
        admin.execute("CREATE ROLE crowd LOGIN PASSWORD 'crowd' CONNECTION LIMIT 1")
        with postgres.server.connect("crowd", "crowd", "postgres"):
            dsn = f"host=127.0.0.1 port={postgres.server.port} dbname=postgres user=crowd"
            database = replace(postgres.target(password_env="CROWD_PASSWORD"), dsn=dsn)
            (result,) = ask(database, ["SELECT 1"])
    assert 'too many connections for role "crowd"' in result.refusal


def test_terminated_session_keeps_its_results(postgres):
    results = []
    queries = ["SELECT 1", "SELECT pg_sleep(30)", "SELECT 2"]
    asking = threading.Thread(target=lambda: results.extend(ask(postgres.target(timeout="20s"), queries)))
    asking.start()
    with postgres.server.connect("metachat", postgres.password, "postgres") as admin:
        end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(30)'"
        wait_until(lambda: admin.execute(end).fetchone(), "the query runs")
    asking.join(timeout=20)
    assert results[0].rows == [[1]]
    assert "terminating connection" in results[1].error
    assert "connection" in results[2].error


def test_no_connection_is_left_open(postgres):
    rows(postgres.target(), "SELECT 1")
    with postgres.server.connect("metachat", postgres.password, "postgres") as admin:
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'opsproof'"
        wait_until(lambda: admin.execute(query).fetchone() == (0,), "the session ends")


def test_empty_result_is_valid():
    assert Result().require() == []
