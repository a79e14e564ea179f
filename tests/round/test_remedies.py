"""Remedies of all checks and resources."""

import os
import re
import subprocess

import pytest

from opsproof.core.errors import InventoryError
from opsproof.inventory.hosts import Host
from opsproof.inventory.load import load
from opsproof.inventory.logs import Log
from opsproof.inventory.ports import Port
from opsproof.inventory.processes import Process, Unit
from opsproof.inventory.resources import Database
from opsproof.round import clients

PLUGIN = """
from opsproof.round.remedies import remedy
from opsproof.round.run import RUN


def pytest_collection_finish(session):
    hosts = session.config.stash[RUN].inventory.hosts
    for item in session.items:
        print("remedy of", item.name, "is", remedy(item, hosts, ()))
        for kind in ("absent", "unusable"):
            print(f"{kind}:", item.name, "is", remedy(item, hosts, (), kind))
"""
STREAMS = "rabbitmq-streams list_stream_consumers stream offset offset_lag"
PING = "timeout --foreground --verbose 10"
INVENTORY = """
[hosts.vps]
transport = "ssh://ops@vps"
run_as = "deploy"
docker_as = "root"
path = ["/opt/node 20/bin"]
pm2.home = "/home/deploy/.pm2"
processes = { worker = {}, pm2-logrotate = {} }
rotation = { max_size = "10M", retain = 7, compress = true, interval = "0 0 * * *" }
logs.api = { path = "/srv/api.log", format = "json" }
endpoints.health = { url = "https://127.0.0.1/health?a=1&b=2", headers = { X-Proto = "https" }, timeout = "3s" }
mounts."/data x" = {}
broker.netrc = "/n"
caches.cache = { port = 6380, netrc = "/n" }
[hosts.vps.databases.app]
dsn = "host=127.0.0.1 dbname=app"

[hosts.contained]
transport = "docker://contained"
logs.web = { path = "/var/log/web.log", format = "python" }
containers = { web = {}, rabbit = {}, redis = {} }
broker = { netrc = "/n", container = "rabbit" }
queues.events = { pattern = "events.*", kind = "stream" }
caches.cache.container = "redis"
"""


@pytest.fixture(scope="module")
def remedies(collected):
    """The remedies of all checks of an inventory, by test."""

    def remedies(inventory):
        kinds = ("remedy", "absent", "unusable")
        return dict(line.split(" is ", 1) for line in collected(PLUGIN, inventory) if line.startswith(kinds))

    return remedies


@pytest.fixture(scope="module")
def found(tmp_path_factory, remedies):
    """The remedies of two hosts."""
    path = tmp_path_factory.mktemp("hosts") / "inventory.toml"
    path.write_text(INVENTORY)
    return remedies(path)


@pytest.mark.parametrize("inventory", ["metachat", "lab", "lab-docker", "lab-pgbackrest"])
def test_every_finding_has_a_command(remedies, repository, inventory):
    found = remedies(repository / "inventory" / f"{inventory}.toml")
    assert len(found) > 100
    assert [test for test, command in found.items() if not command] == []
    absent = [test for test in found if re.search("^absent.*(vector|partition)", test)]
    prompts = [test for test in absent if found[test].endswith(clients.NO_PAGER)]
    assert prompts == []


def test_pm2_runs_as_the_owner_of_its_daemon(found):
    pm2 = """sudo -u deploy env PATH='/opt/node 20/bin':"$PATH" PM2_HOME=/home/deploy/.pm2 pm2"""
    restart = f"on vps: {pm2} restart worker  # restarts the process"
    assert found["remedy of test_process_is_online[vps-worker]"] == restart
    for kind in ("absent", "unusable"):
        assert found[f"{kind}: test_process_is_online[vps-worker]"] == f"on vps: {pm2} resurrect"


def test_missing_module_is_installed_and_a_missing_daemon_is_started(found):
    assert found["absent: test_process_is_online[vps-pm2-logrotate]"].endswith("pm2 install pm2-logrotate")
    assert found["unusable: test_rotation_is_installed[vps]"].endswith("pm2 resurrect")


@pytest.mark.parametrize(
    ("unit", "words", "command"),
    [
        ({}, ["unit", "restart"], "sudo systemctl restart -- x@1.service"),
        ({}, ["unit", "daemon-reload"], "sudo systemctl daemon-reload"),
        ({}, ["unit look"], ("sudo systemctl list-units --all --full --no-pager -- x@1.service"
            " && sudo journalctl --no-pager --lines=50 --unit=x@1.service")),
        ({}, ["unit files"], "sudo systemctl list-unit-files --full --no-pager"),
        ({}, ["unit look", "thaw"], "sudo systemctl thaw -- x@1.service"),
        ({}, ["unit restarts"], (
            "sudo systemctl show --property=NRestarts,Result,ExecMainStatus,ActiveEnterTimestamp -- x@1.service"
            " && sudo journalctl --no-pager --lines=50 --unit=x@1.service")),
        ({"manager": "user"}, ["unit look"], ("systemctl --user list-units --all --full --no-pager -- x@1.service"
            " && sudo journalctl --no-pager --lines=50 USER_UNIT=x@1.service + _SYSTEMD_USER_UNIT=x@1.service")),
        ({"manager": "user"}, ["unit", "enable"], "systemctl --user enable -- x@1.service"),
        ({"manager": "user", "run_as": "app"}, ["unit", "restart"],
            "sudo -u app env XDG_RUNTIME_DIR=/run/user/$(id -u app) systemctl --user restart -- x@1.service"),
    ],
)  # fmt: skip
def test_unit_is_repaired_by_its_manager(unit, words, command):
    host = Host(transport="ssh://ops@vps").placed("vps", ())
    assert clients.line(clients.Target(host, "x@1.service", Unit(**unit)), words) == f"on vps: {command}"


@pytest.mark.parametrize(
    ("process", "pids"),
    [
        ({"command": "python3 /srv/a.py *", "user": "app"},
            "$(pgrep --full --exact --delimiter , --euid app 'python3 /srv/a\\.py .*')"),
        ({"command": "a.py *", "pidfile": "/run/a b.pid"}, "$(head --lines=1 '/run/a b.pid')"),
    ],
)  # fmt: skip
def test_plain_process_is_shown_by_its_pid(process, pids):
    host = Host(transport="ssh://ops@vps").placed("vps", ())
    line = clients.line(clients.Target(host, "a", Process(**process)), ["plain process"])
    assert line == f'on vps: ps -o pid,user,etime,stat,rss,comm -p "{pids}" || echo "no process fits a"'


def test_timer_is_shown_with_its_job():
    host = Host(transport="ssh://root@vps").placed("vps", ())
    line = clients.line(clients.Target(host, "report.timer", Unit()), ["unit look"])
    state = "systemctl list-units --all --full --no-pager -- 'report.*'"
    assert line == f"on vps: {state} && journalctl --no-pager --lines=50 '--unit=report.*'"
    of_user = clients.line(clients.Target(host, "report.timer", Unit(manager="user")), ["unit look"])
    fields = ("USER_UNIT=report.timer", "_SYSTEMD_USER_UNIT=report.timer")
    fields += ("USER_UNIT=report.service", "_SYSTEMD_USER_UNIT=report.service")
    assert of_user.endswith(f" && journalctl --no-pager --lines=50 {' + '.join(fields)}")


def test_closed_port_and_rotated_files_are_shown():
    host = Host(transport="ssh://root@vps").placed("vps", ())
    line = clients.line(clients.Target(host, "web", Port(port=80)), ["port", "ss", "--listening"])
    assert line == "on vps: ss --listening 'sport = :80' | grep LISTEN || echo \"nothing listens at port 80\""
    log = Log.model_validate({"path": "/var/log/web.log", "format": "python"})
    line = clients.line(clients.Target(host, "web", log), ["rotated files"])
    files = "/var/log/web.log* /var/log/web[-_.][-_.0-9]*"
    assert line == f"on vps: sh -c 'ls -l --time-style=long-iso {files} 2>/dev/null; true'"


def test_waiting_clients_are_shown_by_port():
    host = Host(transport="ssh://root@vps").placed("vps", ())
    process = Process(command="a", listens=[80, 81])
    line = clients.line(clients.Target(host, "a", process), ["waiting"])
    assert line == "on vps: ss --listening --tcp --numeric --processes 'sport = :80 or sport = :81'"


def test_client_waits_only_seconds_for_a_server_that_does_not_answer():
    host = Host(transport="ssh://ops@vps", docker_as="root").placed("vps", ())
    for about, command in (
        ({"dsn": "host=db dbname=app", "reach": "direct"}, "PGCONNECT_TIMEOUT=5 psql"),
        ({"dsn": "host=/run/pg dbname=app"}, "on vps: sudo -u postgres PGCONNECT_TIMEOUT=5 psql"),
        ({"dsn": "dbname=app", "container": "pg"}, "on vps: sudo docker exec -i --env=PGCONNECT_TIMEOUT=5 pg psql"),
    ):
        assert clients.line(clients.Target(host, "app", Database(**about)), ["server"]).startswith(command)


def test_path_of_the_inventory_is_valid_in_a_shell(found):
    command = found["remedy of test_no_process_is_broken[vps]"].removeprefix("on vps: sudo -u deploy ")
    shown = subprocess.run(
        ["sh", "-c", command.replace("pm2 list", "sh -c 'echo $PATH; echo $PM2_HOME'")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.splitlines() == [f"/opt/node 20/bin:{os.environ['PATH']}", "/home/deploy/.pm2"]


@pytest.mark.parametrize(
    ("about", "command"),
    [
        (
            {"dsn": "host=127.0.0.1 port=5433 dbname=app user=x"},
            "on vps: sudo -u postgres psql --port=5433 --dbname=app",
        ),
        ({"dsn": "host=/run/pg dbname=app"}, "on vps: sudo -u postgres psql --host=/run/pg --dbname=app"),
        (
            {"dsn": "host=db port=5433 dbname=app user=x sslmode=require passfile=/x"},
            "on vps: psql '--dbname=user=postgres dbname=app host=db port=5433 sslmode=require'",
        ),
        (
            {"dsn": "host=127.0.0.1 port=5433 dbname=app user=x", "superusers": ["app"]},
            "on vps: psql '--dbname=user=app dbname=app host=127.0.0.1 port=5433'",
        ),
        ({"dsn": "host=db dbname=app", "reach": "direct"}, "psql '--dbname=dbname=app host=db user=postgres'"),
        (
            {"dsn": "host=127.0.0.1 dbname=app", "container": "pg", "superusers": ["app"]},
            "on vps: sudo docker exec -i pg psql --dbname=app --username=app",
        ),
    ],
    ids=["loopback", "socket", "remote", "other superuser", "direct", "container"],
)
def test_psql_reaches_the_declared_database(about, command):
    host = Host(transport="ssh://ops@vps", docker_as="root").placed("vps", ())
    assert (
        clients.line(clients.Target(host, "app", Database(**about)), ["psql", "-c", "SHOW x"])
        == f"{command} --pset=pager=off -c 'SHOW x'"
    )


def test_statement_with_apostrophes_is_readable(found):
    command = found["remedy of test_expiring_passwords_are_declared[vps-app]"]
    assert command.endswith(""" -c "SELECT rolname, rolvaliduntil FROM pg_roles WHERE rolvaliduntil < 'infinity'\"""")


def test_commands_carry_address_user_and_headers(found):
    words = "--max-time 3 --header 'X-Proto: https' 'https://127.0.0.1/health?a=1&b=2'"
    for test, command in {
        "test_endpoint_responds[vps-health]": f"curl --include {words}",
        "test_client_errors_are_within_limit[vps-api]": "sudo -u deploy tail --lines=200 /srv/api.log",
        "test_cache_responds[vps-cache]": f"{PING} redis-cli -h 127.0.0.1 -p 6380 --askpass ping",
        "test_broker_responds[vps]": "sudo rabbitmq-diagnostics status",
        "test_mount_is_mounted[vps-/data x]": "sudo mount '/data x'",
        "test_no_reboot_is_pending[vps]": "sudo systemctl reboot  # restarts the host",
    }.items():
        assert found[f"remedy of {test}"] == f"on vps: {command}"


def test_root_needs_no_sudo_and_servers_in_containers_are_asked_there(found):
    for test, command in {
        "test_container_is_running[contained-web]": "docker ps --all --filter name=web && docker logs --tail 50 web",
        "test_no_reboot_is_pending[contained]": "systemctl reboot  # restarts the host",
        "test_cache_responds[contained-cache]": f"{PING} docker exec -i redis redis-cli ping",
        "test_broker_responds[contained]": "docker exec -i rabbit rabbitmq-diagnostics status",
        "test_stream_lag_is_within_limit[contained-events]": f"docker exec -i rabbit {STREAMS}",
    }.items():
        assert found[f"remedy of {test}"] == f"on contained: {command}"
    assert found["absent: test_container_is_running[contained-web]"] == "on contained: docker ps --all"


@pytest.mark.parametrize("table", ['broker]\nnetrc = "/n"\n', "caches.cache]\n"])
def test_container_of_a_server_must_be_declared(tmp_path, table):
    path = tmp_path / "inventory.toml"
    path.write_text(f'[hosts.vps]\ntransport = "local://"\n[hosts.vps.{table}container = "redis"\n')
    with pytest.raises(InventoryError, match="container 'redis' is not declared"):
        load(path)
