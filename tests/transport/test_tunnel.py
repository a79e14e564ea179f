"""Databases behind a real sshd, queried through a tunnel."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from lab import processes
from lab.postgres import SUPERUSER
from lab.waiting import wait_until
from opsproof.inventory.hosts import Host
from opsproof.postgres.client import DatabaseClient
from opsproof.postgres.connection import DatabaseTarget, ask
from opsproof.round.gathering import gather
from opsproof.transport import ssh, tunnel
from tests.harness.sshd import running


@pytest.fixture
def runtime():
    with tempfile.TemporaryDirectory(prefix="run-") as folder:
        yield Path(folder)


@pytest.fixture
def target(sshd, postgres, runtime, monkeypatch, tmp_path):
    """The database behind the sshd; the test chooses the source of the password."""
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "none"))

    def target(**fields):
        host = Host(transport=fields.pop("transport", sshd)).placed("vps", ())
        words = ssh.route(host, postgres.database())
        plain = {"dsn": postgres.database().dsn, "password_env": "TEST_PASSWORD", "timeout": 5.0}
        return DatabaseTarget(**{**plain, "ssh": tuple(words), "runtime": str(runtime), **fields})

    return target


def test_queries_use_the_tunnel_and_leave_no_files(target, runtime):
    results = ask(target(), ["SELECT 1", "SELECT inet_client_addr() IS NOT NULL"])
    assert [result.require() for result in results] == [[[1]], [[True]]]
    assert list(runtime.iterdir()) == []


def test_password_file_on_the_host(target, postgres, tmp_path):
    path = tmp_path / "it's a password"
    path.write_text(f"{postgres.password}\nsecond line\n")
    (result,) = ask(target(password_env="", password_file=str(path)), ["SELECT 1"])
    assert result.require() == [[1]]


def test_passfile_entry_under_the_server_address_of_the_dsn(target, postgres, tmp_path):
    path = tmp_path / "none"
    path.write_text(f"127.0.0.1:{postgres.server.port}:postgres:metachat:{postgres.password}\n")
    path.chmod(0o600)
    (result,) = ask(target(password_env=""), ["SELECT 1"])
    assert result.require() == [[1]]


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        (
            {"password_env": "", "password_file": "/no/such/file"},
            "the tunnel cannot be opened: head: cannot open '/no/such/file' for reading: No such file or directory",
        ),
        ({"password_env": ""}, "no password supplied"),
        ({"password_env": "NOT_THERE"}, "environment variable NOT_THERE is not set"),
        ({"dsn": "hots=127.0.0.1"}, 'invalid connection option "hots"'),
        ({"ssh": ("/no/ssh", "vps")}, "the tunnel cannot be opened: /no/ssh: No such file or directory"),
    ],
)
def test_client_mistake_is_an_error_and_no_refusal(target, fields, complaint):
    (result,) = ask(target(**fields), ["SELECT 1"])
    assert result.refusal == ""
    assert complaint in result.error


def test_closed_port_on_the_host_is_a_refusal(target, free_port):
    (result,) = ask(target(dsn=f"host=127.0.0.1 port={free_port} user=metachat"), ["SELECT 1"])
    assert "Connection refused" in result.refusal


def test_message_of_the_server_omits_the_tunnel_path(target, runtime):
    (result,) = ask(target(dsn=target().dsn.replace("dbname=postgres", "dbname=none")), ["SELECT 1"])
    assert 'FATAL:  database "none" does not exist' in result.refusal
    assert "on port" in result.refusal
    assert str(runtime) not in result.refusal


def test_refused_key_is_an_error_in_one_line(target, sshd_server):
    (result,) = ask(target(transport=sshd_server.spec("other_key")), ["SELECT 1"])
    user = sshd_server.user
    assert result.error == f"the tunnel cannot be opened: {user}@127.0.0.1: Permission denied (publickey)."


def test_forbidden_tunnel_is_an_error_and_no_refusal(target, sshd_server):
    options = sshd_server.folder / "authorized"
    key = (sshd_server.folder / "other_key.pub").read_text()
    options.write_text(f"no-port-forwarding {key}")
    sshd_server.authorize(options.read_text())
    try:
        (result,) = ask(target(transport=sshd_server.spec("other_key")), ["SELECT 1"])
    finally:
        sshd_server.authorize("")
    assert result.refusal == ""
    assert "administratively prohibited" in result.error


def test_socket_is_private(target, runtime):
    asked = target()
    with tunnel.opened(asked.ssh, runtime, "127.0.0.1", 1) as opened:
        (path,) = opened.folder.glob(".s.*")
        assert opened.folder.stat().st_mode & 0o777 == 0o700
        assert path.stat().st_mode & 0o777 == 0o600


@pytest.fixture
def client(target, runtime, postgres):
    """A worker process with an open tunnel and a query that outlasts the test."""
    words, query = [sys.executable, "-m", "opsproof.postgres.worker"], "SELECT pg_sleep(60)"
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as client:
        request = {"number": 0, "database": target(timeout=60.0).__dict__, "queries": [query]}
        print(json.dumps(request), file=client.stdin, flush=True)
        wait_until(lambda: list(runtime.glob("tunnel-*/.s.*")), "the tunnel is open", process=client)
        yield client
        client.kill()
    with postgres.server.connect(SUPERUSER, postgres.password, "postgres") as admin:
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = %s", (query,))


def test_killed_client_leaves_no_tunnel(client, runtime):
    wait_until(lambda: _connections(runtime), "ssh is connected", process=client)
    os.kill(client.pid, signal.SIGKILL)
    client.wait(timeout=10)
    wait_until(lambda: not _connections(runtime), "ssh ends", 30)
    assert len(list(runtime.glob("tunnel-*"))) == 1
    tunnel.sweep(runtime)
    assert list(runtime.iterdir()) == []


def _connections(runtime):
    """The ssh processes of tunnels in a folder."""
    found = subprocess.run(["pgrep", "-f", f"ssh .*{runtime}/tunnel-"], capture_output=True, text=True, check=False)
    return found.stdout.split()


def test_sweep_keeps_tunnels_of_living_processes(runtime):
    (runtime / f"tunnel-{os.getpid()}-abc").mkdir()
    tunnel.sweep(runtime)
    assert len(list(runtime.iterdir())) == 1


def test_transport_without_tunnel_is_an_error_of_its_databases_only(postgres, sshd):
    database = postgres.database().model_dump(exclude_unset=True, exclude={"limits"}) | {"timeout": "5s"}
    host = Host.model_validate({"transport": "paramiko://nowhere", "databases": {"db": database}}).placed("vps", ())
    recording = gather(host, {("database_pings", "db")}, client=object())
    assert "paramiko:// cannot tunnel to the database" in recording.results["database_pings db"].error


def test_password_is_in_no_command_line(target, runtime, postgres, tmp_path):
    path = tmp_path / "password"
    path.write_text(f"{postgres.password}\n")
    asked = target(password_env="", password_file=str(path))
    with tunnel.opened(asked.ssh, runtime, "127.0.0.1", 1, str(path)) as opened:
        assert opened.password == postgres.password
        lines = [processes.command(pid) for pid in processes.pids()]
        assert any(str(opened.folder) in line for line in lines)
        assert not any(postgres.password in line for line in lines)


def test_password_file_without_newline(target, postgres, tmp_path):
    path = tmp_path / "password"
    path.write_text(postgres.password)
    (result,) = ask(target(password_env="", password_file=str(path)), ["SELECT 1"])
    assert result.require() == [[1]]


def test_empty_password_file_gives_no_password(target, tmp_path):
    path = tmp_path / "password"
    path.touch()
    (result,) = ask(target(password_env="", password_file=str(path)), ["SELECT 1"])
    assert "no password supplied" in result.error


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
def test_sslmode_through_a_tunnel_is_refused(target, mode):
    (result,) = ask(target(dsn=f"{target().dsn} sslmode={mode}"), ["SELECT 1"])
    assert result.error == f'sslmode={mode} has no effect through a tunnel: set reach = "direct"'


def test_dsn_with_several_servers_is_refused(target):
    (result,) = ask(target(dsn="host=a,b port=5432,5433"), ["SELECT 1"])
    assert "a tunnel needs a single port" in result.error


def test_ssh_banner_does_not_hide_the_error(target, tmp_path):
    banner = tmp_path / "banner"
    banner.write_text("All activity is logged.\n")
    with running(f"Banner {banner}\n") as server:
        (result,) = ask(target(transport=server.spec(), dsn=f"{target().dsn} dbname=none"), ["SELECT 1"])
    assert ('database "none" does not exist' in result.refusal, result.error) == (True, "")


def test_failed_forward_of_the_user_is_ignored(target, sshd_server, free_port):
    config = sshd_server.folder / "forwarding"
    config.write_text(f"LocalForward {free_port} 127.0.0.1:1\n" + (sshd_server.folder / "ssh_config").read_text())
    spec = sshd_server.spec().replace("ssh_config=" + str(sshd_server.folder / "ssh_config"), f"ssh_config={config}")
    with socket.create_server(("127.0.0.1", free_port)):
        (result,) = ask(target(transport=spec), ["SELECT 1"])
    assert result.require() == [[1]]


def test_elapsed_time_excludes_opening_the_tunnel(target, tmp_path, script):
    slow = script(tmp_path / "ssh", 'sleep 3; exec ssh "$@"')
    asked = target()
    (result,) = ask(replace(asked, ssh=(str(slow), *asked.ssh[1:])), ["SELECT 1"])
    assert result.require() == [[1]]
    assert 0 < result.elapsed_s < 3


def test_worker_ends_with_its_input(client, runtime):
    client.stdin.close()
    client.wait(timeout=30)
    wait_until(lambda: not _connections(runtime), "ssh ends", 30)


def test_missing_ssh_is_an_error_at_once(target):
    client = DatabaseClient()
    try:
        (result,) = client.submit(replace(target(), ssh=("/no/such/ssh", "vps")), ["SELECT 1"])()
    finally:
        client.close()
    assert result.error == "the tunnel cannot be opened: /no/such/ssh: No such file or directory"
