"""The history in a real PostgreSQL: the same answers as a file, several writers, no secret."""

import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from lab.postgres import SUPERUSER
from opsproof.core.limits import Measurement
from opsproof.core.verdicts import ORDER, Sample, Verdict
from opsproof.history import estate
from opsproof.history.query import HistoryQuery, last_unknowns, rows
from opsproof.history.server import history_url
from opsproof.history.store import History

DAY = 86_400.0
ROLE, DATABASE = "history_writer", "history"


@pytest.fixture
def superuser(postgres):
    def connect(database="postgres"):
        return postgres.server.connect(SUPERUSER, postgres.password, database)

    return connect


@pytest.fixture
def url(superuser, postgres, tmp_path):
    """A new database of a role with a password in a file."""
    with superuser() as admin:
        admin.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD 'history-secret'")
        admin.execute(f"CREATE DATABASE {DATABASE} OWNER {ROLE}")
    passfile = tmp_path / "passfile"
    passfile.write_text(f"127.0.0.1:{postgres.server.port}:*:*:history-secret\n")
    passfile.chmod(0o600)
    yield f"postgresql://{ROLE}@127.0.0.1:{postgres.server.port}/{DATABASE}?passfile={quote(str(passfile))}"
    with superuser() as admin:
        admin.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")
        admin.execute(f"DROP ROLE {ROLE}")


def runs(count):
    """Random runs of two hosts and two rounds, with gaps, over 1000 days."""
    chance = random.Random(5)
    for number in range(count):
        verdicts = []
        for host in chance.sample(["a", "b"], chance.choice([1, 2])):
            for check in range(4):
                if chance.random() < 0.2:
                    continue
                value = chance.choice([1, 2.5, "online"])
                measured = Measurement("used", value, "word" if value == "online" else "percent", "< 3 %", "passed", "")
                samples = [Sample("restarts", number // 3, 1.0, number * DAY)]
                verdicts.append(
                    Verdict(
                        f"test_{check}[{host}-/]", host, "/", chance.choice(ORDER), f"/: used {value}, 100 % \x1f ?",
                        measurements=[measured], samples=samples,
                    )
                )  # fmt: skip
        yield number * 1000 / count * DAY, "lab.toml", chance.choice(["daily", "weekly", "selected"]), verdicts


def answers(history):
    """What all queries answer."""
    tests = [(host, f"test_{check}[{host}-/]") for host in "ab" for check in range(4)]
    last = estate.last_runs(history)
    return {
        "last": [history.last_run("lab.toml", each) for each in ("daily", "weekly")],
        "streaks": [history.streak(*each) for each in tests],
        "unknown": [history.unknown_runs(*each, Path("lab.toml"), 1e12) for each in tests],
        "samples": history.round_samples("a", "/", "restarts", 300 * DAY),
        "sample": history.last_sample("b", "/", "restarts"),
        "readings": history.readings("a", "/", ["restarts", "other"]),
        "verdicts": sorted(map(repr, rows(history.path, HistoryQuery()))),
        "values": sorted(map(repr, rows(history.path, HistoryQuery(), values=True))),
        "some": sorted(map(repr, rows(history.path, HistoryQuery("a", "daily", "test_1", "failed")))),
        "unknowns": last_unknowns(history.path),
        "estate": last,
        "days": estate.days(history, 900 * DAY, DAY),
        "open": estate.open_findings(history, last),
        "growth": estate.growth(history, last, ["used"], 900 * DAY),
        "complaints": history.complaints,
    }


def test_server_gives_the_answers_of_a_file(url, tmp_path):
    file, server = History(tmp_path / "history.sqlite"), History(url)
    for each in runs(220):
        for history in (file, server):
            history.add(*each, {"a": 7.5})
    expected, found = answers(file), answers(server)
    assert expected["complaints"] == []
    for name, each in expected.items():
        assert found[name] == each, name
    with file.reading() as connection:
        assert connection.execute("SELECT count(*) FROM weeks").fetchone()[0] > 5


WRITER = """
import sys
from opsproof.core.errors import MeasurementError
from opsproof.core.limits import Measurement
from opsproof.core.verdicts import Verdict
from opsproof.history.store import History, place_of
history = History(sys.argv[1])
sys.stdin.read(1)
for number in range(10):
    value = Measurement("m", number // 4, "count", "", "passed", "")
    verdicts = [Verdict(f"t{each}", sys.argv[2], "", measurements=[value]) for each in range(5)]
    history.add(number, "lab.toml", "daily", verdicts)
print(history.complaints, flush=True)
"""


def test_several_writers_lose_no_run(url):
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, url, host], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for host in ("a", "a", "b", "c")
    ]
    for each in writers:
        each.stdin.write("x")
        each.stdin.close()
    assert [each.stdout.read() for each in writers] == ["[]\n"] * 4
    assert [each.wait() for each in writers] == [0] * 4
    with History(url).reading() as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (40,)
        assert connection.execute("SELECT count(*), count(DISTINCT run) FROM verdicts").fetchone() == (200, 40)
        assert connection.execute("SELECT count(*) FROM measurements").fetchone() == (200,)


def test_killed_writer_leaves_whole_runs(url):
    History(url).add(1, "lab.toml", "daily", [Verdict("t", "a", "")])
    for after_s in (0.3, 0.4, 0.5):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, url, "k"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        writer.stdin.write("x")
        writer.stdin.flush()
        time.sleep(after_s)
        writer.kill()
        writer.communicate()
    history = History(url)
    history.add(2, "lab.toml", "daily", [Verdict("t", "a", "")])
    assert history.complaints == []
    with history.reading() as connection:
        query = "SELECT run, count(*) FROM verdicts WHERE host = 'k' GROUP BY run HAVING count(*) <> 5"
        assert connection.execute(query).fetchall() == []


def test_unreachable_server_is_a_complaint_without_a_secret(url, superuser, free_port):
    away = History(url.replace(url.split("/")[2].rpartition(":")[2], str(free_port)))
    away.add(1, "lab.toml", "daily", [])
    assert away.unrecorded
    (complaint,) = away.complaints
    assert "Connection refused" in complaint
    assert complaint.endswith("this run is not recorded")
    with superuser() as admin:
        admin.execute(f"ALTER ROLE {ROLE} PASSWORD 'another-secret'")
    refused = History(url)
    assert refused.last_run("lab.toml", "daily") == {}
    (complaint,) = refused.complaints
    assert "password authentication failed" in complaint
    assert "secret" not in complaint


def test_round_is_recorded_in_the_server(url, estate, prove, tmp_path):
    found = prove(estate(full=831), "-m", "daily", f"--history={url}", reports=tmp_path / "reports")
    assert (found.status, list((tmp_path / "reports").glob("*.sqlite"))) == (1, [])
    assert History(url).streak("full", "test_disk_has_free_space[full-/data]").runs == 1
    assert "disk used 83.1 %" in (tmp_path / "reports" / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(("used", "status"), [(120, 3), (831, 1)])
def test_round_without_its_server_shows_the_findings(estate, prove, free_port, used, status):
    found = prove(estate(full=used), "checks/disks", f"--history=postgresql://u@127.0.0.1:{free_port}/d")
    assert (found.status, "Traceback" in found.text) == (status, False)
    assert len(re.findall(r"^history postgresql://u@\S+: .*this run is not recorded$", found.text, re.MULTILINE)) == 1
    assert ("FAILED  /data: disk used 83.1 % (limit < 80 %)" in found.text) == (status == 1)


def test_commands_follow_the_environment_and_doctor_records_nothing(url, estate, tmp_path):
    def opsproof(*words):
        command = [sys.executable, "-m", "opsproof", *words, f"--reports={tmp_path}"]
        done = subprocess.run(
            command, env={**os.environ, "OPSPROOF_HISTORY": url}, capture_output=True, text=True, check=False
        )
        assert "Traceback" not in done.stderr
        return done.stdout

    History(url).add(1, "lab.toml", "daily", [Verdict("test_x[vps]", "vps", "", "failed", "in the server")])
    opsproof("doctor", f"--inventory={estate(calm=120)}")
    assert History(url).read("SELECT count(*) FROM runs", ()) == [(1,)]
    assert opsproof("history").splitlines() == [
        "1970-01-01T00:00:01Z  lab.toml  daily  vps  test_x[vps]  failed  in the server"
    ]


def test_newer_history_is_left_alone(url):
    History(url).add(1, "lab.toml", "daily", [Verdict("t", "a", "")])
    with psycopg.connect(url) as connection:
        connection.execute("COMMENT ON SCHEMA opsproof IS 'opsproof history, layout 99'")
    history = History(url)
    history.add(2, "lab.toml", "daily", [])
    (complaint,) = history.complaints
    assert "written by a newer version of opsproof (layout 99, known 3)" in complaint


def test_schema_where_others_create_is_refused(url, superuser):
    History(url).add(1, "lab.toml", "daily", [Verdict("t", "a", "")])
    with superuser(DATABASE) as admin:
        admin.execute("GRANT CREATE ON SCHEMA opsproof TO public")
    history = History(url)
    history.add(2, "lab.toml", "daily", [])
    assert "no other may create in it" in history.complaints[0]


def test_connection_lost_during_a_round_loses_no_run(url, superuser):
    history = History(url)
    history.add(1, "lab.toml", "daily", [Verdict("t", "a", "")])
    with superuser() as admin:
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", (ROLE,))
    history.add(2, "lab.toml", "daily", [Verdict("t", "a", "")])
    assert history.complaints == []
    assert history.read("SELECT count(*) FROM runs", ()) == [(2,)]


def test_name_of_the_role_may_have_capitals(url, superuser):
    with superuser() as admin:
        admin.execute(f'ALTER ROLE {ROLE} RENAME TO "History Writer"')
        admin.execute("ALTER ROLE \"History Writer\" PASSWORD 'history-secret'")
    try:
        history = History(url.replace(f"//{ROLE}@", "//History%20Writer@"))
        history.add(1, "lab.toml", "daily", [Verdict("t", "a", "")])
        history.add(2, "lab.toml", "daily", [Verdict("t", "a", "")])
        assert history.complaints == []
    finally:
        with superuser() as admin:
            admin.execute(f'ALTER ROLE "History Writer" RENAME TO {ROLE}')


@pytest.mark.parametrize("text", ["host=db password=hidden", "postgresql://u:hidden@h/d"])
def test_variable_with_a_secret_is_a_usage_error_and_not_repeated(text, estate, prove):
    found = prove(estate(calm=120), "checks/disks", OPSPROOF_HISTORY=text)
    command, environment = [sys.executable, "-m", "opsproof", "history"], {**os.environ, "OPSPROOF_HISTORY": text}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (found.status, done.returncode) == (4, 2)
    assert "$OPSPROOF_HISTORY: " in found.text
    assert "$OPSPROOF_HISTORY: " in done.stderr
    assert "hidden" not in found.text + done.stderr + done.stdout


@pytest.mark.parametrize(
    "text", ["history.sqlite", "mysql://x", "postgresql://u:hidden@h/d", "postgresql://h/d?password=hidden"]
)
def test_url_with_a_secret_is_refused_and_not_repeated(text):
    with pytest.raises(ValueError, match="postgresql://") as caught:
        history_url(text)
    assert "hidden" not in str(caught.value)
