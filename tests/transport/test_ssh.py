"""What ssh is told, proven with a real server: shared connections, private folders, whoever names options."""

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
    """The folder of connections and options, of this test alone."""
    # A control socket's path has room for 107 characters, too few for pytest's own folders.
    folder = Path(tempfile.mkdtemp(prefix="run-"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    ssh.config.cache_clear()
    own = folder / f"opsproof-{os.getuid()}"
    yield own
    if own.is_dir() and not own.is_symlink() and own.stat().st_mode & 0o077 == 0:
        sshd_server.close_connections()
    ssh.config.cache_clear()
    shutil.rmtree(folder, ignore_errors=True)


def test_later_runs_use_the_connection_of_the_first(sshd, own_folder):
    # What the server calls the client's port is that of the connection.
    ports = [run(host(sshd), (argv("sh", "-c", "echo $SSH_CONNECTION"),))[0].stdout for _ in range(3)]
    assert ports[0].startswith("127.0.0.1 ")
    assert len(set(ports)) == 1
    assert sum(path.is_socket() for path in own_folder.iterdir()) == 1
    assert [path.name.partition(".")[0] for path in own_folder.iterdir() if path.is_file()] == ["ssh_config"]


def test_runs_at_the_same_time_all_get_their_answers(sshd, own_folder):
    found = []
    ask = [threading.Thread(target=lambda: found.append(run(host(sshd), (argv("echo", "ok"),)))) for _ in range(6)]
    for thread in ask:
        thread.start()
    for thread in ask:
        thread.join()
    assert [answers[0].stdout for answers in found] == ["ok\n"] * 6


def test_the_folder_of_connections_is_for_its_owner_alone(sshd, own_folder):
    run(host(sshd), (argv("true"),))
    assert own_folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("trap", ["open", "link"])
def test_a_folder_of_connections_that_others_could_use_is_refused(sshd, own_folder, tmp_path, trap):
    if trap == "open":
        own_folder.mkdir()
        own_folder.chmod(0o755)
    else:
        tmp_path.chmod(0o700)
        own_folder.symlink_to(tmp_path)
    with pytest.raises(HostUnreachable, match="is open to others: remove it"):
        run(host(sshd), (argv("true"),))


def test_ours_stand_before_the_options_of_a_file_that_is_named(tmp_path, own_folder):
    theirs = tmp_path / "with a space"
    theirs.write_text("BatchMode no\nIdentityFile /their/key\n")
    said = os.popen(f"ssh -G -F {ssh.config(str(theirs))} vps").read().splitlines()
    assert "batchmode yes" in said
    assert "identityfile /their/key" in said
    assert f"controlpath {own_folder}" in "\n".join(said)


def test_where_no_file_is_named_the_users_own_is_read(own_folder):
    text = ssh.config().read_text()
    assert text.endswith("Include ~/.ssh/config\nInclude /etc/ssh/ssh_config\n")


def database(**fields):
    return Database.model_validate({"dsn": "host=127.0.0.1 dbname=x", **fields})


def test_a_database_of_this_machine_needs_no_tunnel():
    assert ssh.route(host("local://"), database()) == []


@pytest.mark.parametrize("transport", ["ssh://vps", "docker://vps", "salt://vps", "kubectl://vps"])
def test_a_dsn_that_works_from_here_needs_no_tunnel(transport):
    assert ssh.route(host(transport), database(reach="direct")) == []


def test_the_tunnel_leads_to_where_the_transport_does(own_folder):
    words = ssh.route(host("ssh://ops@vps-00:2222?ssh_identity_file=/the/key"), database())
    assert words == ["ssh", "-F", str(ssh.config()), "-l", "ops", "-p", "2222", "-i", "/the/key", "vps-00"]


@pytest.mark.parametrize("kind", ["docker", "podman", "ansible", "salt", "kubectl", "openshift", "paramiko", "lxc"])
def test_a_transport_without_tunnels_says_so(kind):
    with pytest.raises(DatabaseError, match=f'^a tunnel is needed, and {kind}:// has none: .* reach="direct"$'):
        ssh.route(host(f"{kind}://vps"), database())


def test_a_password_file_without_a_tunnel_is_refused():
    with pytest.raises(DatabaseError, match="give password_env instead"):
        ssh.route(host("local://"), database(password_file="/secret"))
