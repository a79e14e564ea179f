"""The probes of databases and logs on real servers; each printed command, executed, ends its fault."""

import os
import subprocess

import pytest

from lab.layout import Layout
from lab.ports import free
from lab.postgres import SUPERUSER, Server
from opsproof.doctor import databases, logs
from opsproof.doctor.mending import Patient
from opsproof.doctor.probes import probe
from opsproof.inventory.hosts import Host
from opsproof.postgres.connection import Result

PASSWORD = "secret"
PRELOAD = "pg_stat_statements in shared_preload_libraries of shop"
DSN = "host=127.0.0.1 port={} dbname=postgres user={}"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server with a login without rights, and without extensions and preloaded libraries."""
    server = Server(Layout(tmp_path_factory.mktemp("doctor")), free())
    server.initialise(PASSWORD)
    server.start()
    with server.connect(SUPERUSER, PASSWORD, "postgres") as admin:
        admin.execute("CREATE ROLE newcomer LOGIN PASSWORD 'secret'")
        admin.execute("ALTER SYSTEM RESET shared_preload_libraries")
        admin.execute("ALTER SYSTEM SET shared_preload_libraries = 'auto_explain', 'amcheck'")
    server.stop()
    server.start()
    yield server
    server.remove()


def patient(server, user, **declared):
    dsn = DSN.format(server.port, user)
    database = {"dsn": dsn, "password_env": "TEST_PASSWORD", "superusers": [SUPERUSER]}
    host = Host.model_validate({"transport": "local://", "databases": {"shop": database}, **declared})
    return Patient(host.placed("h", ()), "i.toml")


def wrong(found):
    return {each.name: each for each in found if each.wrong}


def execute(command):
    environment = {**os.environ, "PGPASSWORD": PASSWORD}
    words = ["sh", "-ec", command]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"


@pytest.fixture(autouse=True)
def password(monkeypatch):
    monkeypatch.setenv("TEST_PASSWORD", PASSWORD)


def test_printed_commands_create_extensions_and_load_libraries(server):
    found = wrong(databases.probed(patient(server, SUPERUSER)))
    assert list(found) == ["extension pgstattuple in shop", "extension pg_stat_statements in shop", PRELOAD]
    for each in found.values():
        execute(each.mend)
    server.stop()
    server.start()
    assert wrong(databases.probed(patient(server, SUPERUSER))) == {}
    with server.connect(SUPERUSER, PASSWORD, "postgres") as admin:
        (kept,) = admin.execute("SHOW shared_preload_libraries").fetchone()
    assert kept == "auto_explain, amcheck, pg_stat_statements"


def test_role_without_pg_monitor_is_told_the_file(server):
    (hidden,) = [each for each in databases.probed(patient(server, "newcomer")) if "no member" in each.wrong]
    assert hidden.name == PRELOAD
    assert "--show=monitor.sql | psql" in hidden.mend


def test_refused_login_is_one_probe(server):
    (found,) = databases.probed(patient(server, "stranger"))
    assert found.name == "login to shop"
    assert "password authentication failed" in found.wrong
    assert "\\password" in found.mend


@pytest.mark.parametrize(
    ("row", "name", "mend"),
    [
        ([[], ["vector"], "pg_stat_statements", 17], "extension vector in shop", "CREATE EXTENSION"),
        ([[], [], "pg_stat_statements", 17], "extension vector in shop", "apt-get install postgresql-17-pgvector"),
        ([[], [], "pg_stat_statements", 17], "extension pgstattuple in shop", "sudo apt-get install postgresql-17"),
        ([["vector"], [], "", 17], PRELOAD, "'pg_stat_statements'\""),
        ([[], [], '"a,b", x', 17], PRELOAD, "'x', 'pg_stat_statements'"),
    ],
)  # fmt: skip
def test_extension_has_its_command(server, row, name, mend):
    index = {"database": "shop", "table": "public.t", "column": "v", "method": "hnsw", "operator": "<->"}
    about = patient(server, SUPERUSER, vector_indexes={"i": index})
    assert mend in wrong(databases.of_result(about, "shop", Result([row])))[name].mend


@pytest.mark.parametrize(
    ("reason", "names", "mend"),
    [
        ("the tunnel cannot be opened: administratively prohibited", ["tunnel to shop"], "--show=opsproof.sshd.conf"),
        ('FATAL: role "m" does not exist', ["login to shop"], "--show=monitor.sql"),
    ],
)
def test_tunnel_is_a_probe_of_its_own(server, reason, names, mend):
    about = Patient(patient(server, "m").host.model_copy(update={"transport": "ssh://ops@vps"}).placed("h", ()), "i")
    found = databases.of_result(about, "shop", Result(refusal=reason))
    assert list(wrong(found)) == names
    assert all(mend in each.mend for each in wrong(found).values())
    assert found[0].name == "tunnel to shop"


LINES = '{"time": "NOW", "level": "info", "message": "placed"}\n'


def about_log(path, **fields):
    limits = {"log_unread": {"must": "< 1%"}}
    declared = {"transport": "local://", "logs": {"out": {"path": str(path), **fields}}, "limits": limits}
    return Patient(Host.model_validate(declared).placed("h", ()), "i.toml")


def probed_log(about):
    (found,) = logs.probed(about)
    return found


@pytest.mark.parametrize("declared", ["python", "text"])
def test_log_of_another_format_is_told_its_format_which_ends_the_fault(tmp_path, declared):
    path = tmp_path / "out.log"
    now = subprocess.check_output(["date", "-u", "+%Y-%m-%dT%H:%M:%SZ"], text=True).strip()
    path.write_text(LINES.replace("NOW", now) * 10, encoding="utf-8")
    found = probed_log(about_log(path, format=declared))
    assert found.name == "format of log out"
    assert found.wrong
    assert found.mend == 'declare format = "json" under logs.out of h in i.toml'
    assert probed_log(about_log(path, format="json")).wrong == ""


def test_log_of_no_known_format_needs_a_pattern(tmp_path):
    path = tmp_path / "out.log"
    path.write_text("something happened\n" * 10, encoding="utf-8")
    found = probed_log(about_log(path, format="python"))
    assert found.mend == 'declare zone or format = "pattern" under logs.out of h in i.toml'


def test_missing_log_is_told_its_path(tmp_path):
    found = probed_log(about_log(tmp_path / "none.log", format="text"))
    assert found.mend == f"correct the path {tmp_path}/none.log in i.toml"


def test_probes_of_a_host_include_logs_and_databases(server, tmp_path):
    (tmp_path / "out.log").touch()
    about = patient(server, SUPERUSER, logs={"out": {"path": str(tmp_path / "out.log"), "format": "text"}})
    names = [each.name for each in probe(about)]
    assert names[:3] == ["connection", "clock", "perl"]
    assert "format of log out" in names
    assert "login to shop" in names
