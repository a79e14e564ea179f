"""Options of ssh, with a real sshd: shared connections, private folders, included options."""

import os
import shutil
import tempfile
import threading
from pathlib import Path

import pytest

from opsproof.core.errors import DatabaseError, HostUnreachable
from opsproof.inventory.hosts import Host
from opsproof.inventory.resources import Database
from opsproof.transport import ssh
from opsproof.transport.shell import argv, run


def host(transport):
    return Host(transport=transport).placed("vps", ())


@pytest.fixture
def own_folder(sshd_server, monkeypatch):
    """A separate folder of connections and options."""
    # The path of a socket is limited to 107 characters, too few for tmp_path.
    folder = Path(tempfile.mkdtemp(prefix="run-"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    ssh.config.cache_clear()
    own = folder / f"opsproof-{os.getuid()}"
    yield own
    if own.is_dir() and not own.is_symlink() and own.stat().st_mode & 0o077 == 0:
        sshd_server.close_connections()
    ssh.config.cache_clear()
    shutil.rmtree(folder, ignore_errors=True)


def test_runs_share_a_connection(sshd, own_folder):
    # Commands over the same connection see the same client port.
    ports = [run(host(sshd), (argv("sh", "-c", "echo $SSH_CONNECTION"),))[0].stdout for _ in range(3)]
    assert ports[0].startswith("127.0.0.1 ")
    assert len(set(ports)) == 1
    assert sum(path.is_socket() for path in own_folder.iterdir()) == 1
    assert [path.name.partition(".")[0] for path in own_folder.iterdir() if path.is_file()] == ["ssh_config"]


def test_concurrent_runs_get_their_answers(sshd, own_folder):
    found = []
    ask = [threading.Thread(target=lambda: found.append(run(host(sshd), (argv("echo", "ok"),)))) for _ in range(6)]
    for thread in ask:
        thread.start()
    for thread in ask:
        thread.join()
    assert [answers[0].stdout for answers in found] == ["ok\n"] * 6


def test_runtime_folder_is_private(sshd, own_folder):
    run(host(sshd), (argv("true"),))
    assert own_folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("trap", ["open", "link"])
def test_runtime_folder_that_is_not_private_is_refused(sshd, own_folder, tmp_path, trap):
    if trap == "open":
        own_folder.mkdir()
        own_folder.chmod(0o755)
    else:
        tmp_path.chmod(0o700)
        own_folder.symlink_to(tmp_path)
    with pytest.raises(HostUnreachable, match="is not private: remove the folder"):
        run(host(sshd), (argv("true"),))


def test_opsproof_options_precede_the_given_ssh_config(tmp_path, own_folder):
    given = tmp_path / "with a space"
    given.write_text("BatchMode no\nIdentityFile /their/key\n")
    options = os.popen(f"ssh -G -F {ssh.config(str(given))} vps").read().splitlines()
    assert "batchmode yes" in options
    assert "identityfile /their/key" in options
    assert f"controlpath {own_folder}" in "\n".join(options)


def test_default_includes_user_and_system_config(own_folder):
    text = ssh.config().read_text()
    assert text.endswith("Include ~/.ssh/config\nInclude /etc/ssh/ssh_config\n")


def database(**fields):
    return Database.model_validate({"dsn": "host=127.0.0.1 dbname=x", **fields})


def test_local_database_needs_no_tunnel():
    assert ssh.route(host("local://"), database()) == []


@pytest.mark.parametrize("transport", ["ssh://vps", "docker://vps", "salt://vps", "kubectl://vps"])
def test_direct_dsn_needs_no_tunnel(transport):
    assert ssh.route(host(transport), database(reach="direct")) == []


def test_route_uses_the_transport(own_folder):
    words = ssh.route(host("ssh://ops@vps-00:2222?ssh_identity_file=/the/key"), database())
    assert words == ["ssh", "-F", str(ssh.config()), "-l", "ops", "-p", "2222", "-i", "/the/key", "vps-00"]


@pytest.mark.parametrize("kind", ["docker", "podman", "ansible", "salt", "kubectl", "openshift", "paramiko", "lxc"])
def test_transport_without_tunnel_raises(kind):
    with pytest.raises(DatabaseError, match=f'^{kind}:// cannot tunnel to the database: .* reach = "direct"$'):
        ssh.route(host(f"{kind}://vps"), database())


def test_password_file_without_tunnel_is_refused():
    with pytest.raises(DatabaseError, match="use password_env instead"):
        ssh.route(host("local://"), database(password_file="/secret"))
