"""Over a real sshd, doctor says precisely what a login of few rights lacks, and the printed command ends it."""

import pytest

from opsproof.command.main import main
from tests.harness import isolation, logins

pytestmark = pytest.mark.skipif(not isolation.possible(), reason="needs root, for users of its own")
LINE = "ops ALL = (deploy) NOPASSWD: /usr/bin/perl"
TABLES = """\
[limits]
log_errors = {{ must = "< 1", over = "1h" }}
log_unread = {{ must = "< 1%" }}
[hosts.shop]
transport = "{spec}"
{run_as}
[hosts.shop.logs]
out = {{ path = "/run/home/deploy/shop.log", format = "json" }}
"""
LOG = "umask 077; runuser -u deploy -- touch /run/home/deploy/shop.log; chmod 700 /run/home/deploy; umask 022"


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def doctor(tmp_path, capsys):
    """The exit status and the lines of doctor for the shop, whose log belongs to deploy."""

    def run(spec, run_as=""):
        path = tmp_path / f"shop-{len(list(tmp_path.iterdir()))}.toml"
        path.write_text(TABLES.format(spec=spec, run_as=run_as and f'run_as = "{run_as}"'), encoding="utf-8")
        status = main(["doctor", f"--inventory={path}", f"--reports={tmp_path}/reports"])
        printed = capsys.readouterr().out
        return status, [line.removeprefix("shop: ") for line in printed.splitlines()]

    return run


def test_log_of_another_user_needs_run_as(doctor):
    with logins.running(setup=LOG) as login:
        status, lines = doctor(login.spec())
    (line,) = [line for line in lines if line.startswith("format of log out: ")]
    assert "Permission denied" in line
    assert "declare the owner of /run/home/deploy/shop.log as run_as of shop" in line
    assert status == 1


def test_missing_line_of_sudoers_is_one_probe_and_ends_with_it(doctor):
    with logins.running(setup=LOG) as login:
        _, lines = doctor(login.spec(), "deploy")
    (line,) = [line for line in lines if line.startswith("sudo -u deploy perl: ")]
    assert "opsproof privileges" in line
    assert "--into=rights" in line
    with logins.running(sudoers=f"{LINE}\n", setup=LOG) as login:
        _, lines = doctor(login.spec(), "deploy")
    assert "sudo -u deploy perl: good" in lines
    assert "format of log out: good" in lines


@pytest.mark.parametrize(
    ("key", "program", "command"),
    [
        ("other_key", "", "ssh-copy-id -p "),
        ("host_key", "", "ssh -p "),
        ("user_key", "perl", "sudo apt-get install perl"),
    ],
)
def test_unreachable_host_is_one_line_with_its_command(doctor, key, program, command):
    with logins.running(missing=program) as login:
        if key == "host_key":
            login.forget_host_key()
        status, (line, *_) = doctor(login.spec("user_key" if key == "host_key" else key))
    assert line.startswith("connection: ")
    assert command in line
    assert status == 1


@pytest.mark.parametrize(
    ("settings", "probe", "command"),
    [
        ("AllowTcpForwarding no\n", "tunnel to shop: channel 2: open failed: administratively", "--show=opsproof.sshd"),
        ("", "login to shop: channel 2: open failed: connect failed", "psql"),
    ],
    ids=["forbidden", "server stopped"],
)
def test_forbidden_tunnel_and_stopped_server_have_different_commands(tmp_path, capsys, settings, probe, command):
    database = '[hosts.shop.databases.shop]\ndsn = "host=127.0.0.1 port=1 dbname=shop user=m"\n'
    with logins.running(settings=settings) as login:
        path = tmp_path / "shop.toml"
        path.write_text(TABLES.format(spec=login.spec(), run_as="") + database, encoding="utf-8")
        main(["doctor", f"--inventory={path}", f"--reports={tmp_path}/reports"])
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith(f"shop: {probe}")]
    assert command in line
    assert ("opsproof.sshd.conf" in line) == bool(settings)
