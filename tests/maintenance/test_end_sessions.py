"""Sessions over an age limit are ended; all others are left alone."""

import threading

import psycopg
import pytest

from lab.waiting import wait_until
from opsproof.action import Work
from opsproof.inventory.load import load
from opsproof.maintenance import sessions
from opsproof.maintenance.client import MaintenanceClient
from opsproof.maintenance.session import MaintenanceSession
from tests.maintenance.conftest import WORKS_WITHIN_S

SLOT = "SELECT pg_create_physical_replication_slot('live', true, true)"
LONG = "SELECT pg_sleep(60), 'a secret', 42 -- it's hidden"


class ForeignSession:
    """A foreign session with its own application_name."""

    def __init__(self, place, *statements, application="other"):
        self.connection = place.connect(application_name=application)
        self.pid = self.connection.info.backend_pid
        self.thread = threading.Thread(target=self._work, args=(statements,))
        self.error = None
        self.thread.start()

    def _work(self, statements):
        try:
            for each in statements:
                self.connection.execute(each)
        except psycopg.Error as error:
            self.error = error

    def close(self, place):
        place.sql(f"SELECT pg_terminate_backend({self.pid}, 5000)")
        self.join()
        self.connection.close()

    def join(self):
        """Waits for the end of the statements."""
        self.thread.join(WORKS_WITHIN_S)
        assert not self.thread.is_alive()


@pytest.fixture
def other(place):
    made = []

    def make(*statements, **how):
        made.append(ForeignSession(place, *statements, **how))
        if statements[-1:] == (LONG,):
            wait_until(lambda: is_asleep(place, made[-1]), "the query sleeps")
        else:
            made[-1].join()
        return made[-1]

    yield make
    for each in made:
        each.close(place)


def is_asleep(place, session):
    return place.value(f"SELECT count(*) FROM pg_stat_activity WHERE pid = {session.pid} AND wait_event = 'PgSleep'")


def state(place, session):
    rows = place.sql(f"SELECT state FROM pg_stat_activity WHERE pid = {session.pid}")
    return rows[0][0] if rows else "gone"


def test_cancelled_query_keeps_session(place, other):
    session = other(LONG)
    said = place.do("end_sessions", "--running", "0s")
    session.join()
    assert isinstance(session.error, psycopg.errors.QueryCanceled)
    assert state(place, session) == "idle"
    assert f"end process {session.pid} of metachat, active for" in said
    assert "SELECT pg_sleep(?), ?, ?" in said
    assert not {"secret", "hidden", "42"} & set(said.replace("'", " ").split())


def test_uncancellable_query_is_terminated_after_grace(place, other):
    place.sql(
        "CREATE SCHEMA t; CREATE FUNCTION t.stubborn() RETURNS void LANGUAGE plpgsql AS $$ BEGIN LOOP BEGIN"
        " PERFORM pg_sleep(60); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END $$"
    )
    session = ForeignSession(place, "SELECT t.stubborn()")
    try:
        wait_until(lambda: state(place, session) == "active", "the query runs")
        place.do("end_sessions", "--running", "0s", "--grace", "500ms")
        wait_until(lambda: state(place, session) == "gone", "the session ends")
    finally:
        session.close(place)


def test_idle_sessions_and_transactions_are_ended(place, other):
    idle, within = other("SELECT 1"), other("BEGIN", "SELECT 1")
    place.do("end_sessions", "--in-transaction", "0s")
    assert (state(place, idle), state(place, within)) == ("idle", "gone")
    place.do("end_sessions", "--idle", "0s")
    assert state(place, idle) == "gone"


def test_default_limits_spare_young_session(place, other):
    session = other("BEGIN", "SELECT 1")
    assert "nothing to do" in place.do("end_sessions")
    assert state(place, session) == "idle in transaction"


def test_protected_sessions_are_left_alone_and_reported(place, other):
    spared = {
        other(LONG, application="pg_dump"): "it belongs to a backup",
        other("SELECT 1", application="pgBackRest [backup]"): "it belongs to a backup",
        other("SELECT 'pg_backup_start(1)'"): "it belongs to a backup",
        other("SELECT 1", application="opsproof_backup"): "it is an opsproof session",
        other("LISTEN news"): "it listens for notifications",
        other(SLOT): "it holds a replication slot",
    }
    said = place.do("end_sessions", "--idle", "0s", "--in-transaction", "0s", "--running", "0s").splitlines()
    for session, why in spared.items():
        (line,) = [each for each in said if f"process {session.pid} " in each]
        assert line.startswith(f"left alone, because {why}: ")
        assert state(place, session) != "gone"


def test_index_build_is_left_alone(place, table):
    with (
        place.holding("UPDATE t.rows SET at = at WHERE id = 'chk000001'") as holder,
        place.building("CREATE INDEX CONCURRENTLY slow ON t.rows (at)"),
    ):
        place.await_build()
        said = place.do("end_sessions", "--running", "0s")
        assert "it runs maintenance" in said
        assert place.invalid == ["slow"]
        assert place.value(f"SELECT count(*) FROM pg_stat_activity WHERE pid = {holder}") == 1


@pytest.mark.parametrize(
    ("statement", "left"),
    [
        ("DROP INDEX CONCURRENTLY t.rows_at", "SELECT 1 FROM pg_index WHERE NOT indisvalid"),
        (
            "ALTER TABLE t.parts DETACH PARTITION t.part CONCURRENTLY",
            "SELECT 1 FROM pg_inherits WHERE inhdetachpending",
        ),
        ("COPY t.slow TO STDOUT", "SELECT 1 FROM pg_stat_progress_copy"),
    ],
)
def test_statement_with_partial_effects_is_left_alone(place, table, statement, left):
    place.sql(
        "CREATE TABLE t.parts (id int) PARTITION BY RANGE (id);"
        "CREATE TABLE t.part PARTITION OF t.parts FOR VALUES FROM (0) TO (9);"
        "CREATE TABLE t.slow AS SELECT n FROM generate_series(1, 2000000) n"
    )
    with place.connect() as reader:
        reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM t.rows, t.parts LIMIT 1")
        with place.building(statement):
            wait_until(lambda: place.sql(left), "the statement has partial effects")
            said = place.do("end_sessions", "--running", "0s")
            assert statement[:10] in said
            assert place.sql(left)
        reader.execute("ROLLBACK")


def test_secrets_are_not_printed(place, other):
    with_setting, failed = other("SET my.word = secret"), other('ALTER ROLE metachat PASSWORD "secret"')
    said = place.run("end_sessions", "--idle", "0s").stdout
    assert "secret" not in said
    assert all(f"process {each.pid} " in said for each in (with_setting, failed))


def test_session_without_activity_tracking_is_not_judged(place, other):
    session = other("SET track_activities = off", "SELECT 1")
    done = place.run("end_sessions", "--idle", "0s", "--apply")
    assert done.returncode == 6
    assert "not judged: sessions whose track_activities is off: 1" in done.stderr
    assert state(place, session) == "disabled"


def test_session_with_newer_query_is_left_alone(place, other):
    session = other("BEGIN", "SELECT 1")

    host = load(place.inventory).hosts["vps"]
    maintenance = MaintenanceSession(Work(host, print), MaintenanceClient(host, "metachat"), 1.0, quiet=True)
    (found,) = [
        each for each in sessions.find(maintenance, sessions.AgeLimits(None, 0, None)) if each.pid == session.pid
    ]
    session.connection.execute("SELECT 2")
    sessions.end(maintenance, found, 0.1)
    assert state(place, session) == "idle in transaction"


def test_role_without_pg_monitor_is_unknown(restricted, other):
    session = other("SELECT 1")
    restricted.sql("REVOKE opsproof_monitor FROM opsproof_maintain")
    done = restricted.run("end_sessions", "--idle", "0s")
    assert done.returncode == 6
    assert "--show=maintain.sql" in done.stderr
    restricted.sql("GRANT pg_monitor TO opsproof_maintain")
    done = restricted.run("end_sessions", "--idle", "0s", "--apply")
    assert done.returncode == 3
    assert "may not end sessions of metachat" in done.stderr
    assert state(restricted, session) == "idle"


def test_superuser_session_is_left_out_and_others_are_ended(restricted, other):
    session = other("SELECT 1")
    restricted.sql("GRANT metachat TO opsproof_maintain")
    connection = restricted.server.connect("metachat_app", restricted.secrets.passwords["metachat_app"])
    try:
        done = restricted.run("end_sessions", "--idle", "0s", "--apply")
        assert done.returncode == 5
        assert "skipped: opsproof_maintain may not end sessions of metachat: " in done.stderr
        assert state(restricted, session) == "idle"
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    finally:
        connection.close()
