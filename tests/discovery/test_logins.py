"""Over a real sshd, init says precisely what a login of few rights cannot see, and why."""

import re
import tomllib

import pytest

from opsproof.command.main import main
from tests.harness import isolation, logins

pytestmark = pytest.mark.skipif(not isolation.possible(), reason="needs root, for users of its own")
WRITER = (
    'runuser -u deploy -- perl -e \'$0 = "shop"; open my $log, q(>>), q(/run/home/deploy/shop.log) or die;'
    ' syswrite $log, qq({"level":"info"}\\n); sleep 600\' >/dev/null 2>&1 &\n'
    "until [ -s /run/home/deploy/shop.log ]; do sleep 0.05; done"
)
LINE = "ops ALL = (deploy) NOPASSWD: /usr/bin/perl"
CLOSED = "mkdir -p /etc/nginx/sites-enabled && install -m 0600 /dev/null /etc/nginx/sites-enabled/shop"


@pytest.fixture(autouse=True)
def own_connections(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))


def written(capsys, spec):
    """The declared host and the text of init."""
    assert main(["init", spec]) == 0
    text = capsys.readouterr().out
    (host,) = tomllib.loads(text)["hosts"].values()
    return host, text


def test_login_without_sudo_is_told_the_line_for_each_user(capsys):
    with logins.running(setup=f"{WRITER}\n{CLOSED}") as login:
        host, text = written(capsys, login.spec())
    assert "run_as" not in host
    assert "logs" not in host
    (line,) = [line for line in text.splitlines() if "# - open logs of" in line]
    assert f"a line of sudoers: {LINE}; or a table under logs" in line
    assert re.search(r"# - the contents of .*/etc/nginx/sites-enabled/shop.*: setfacl -m u:ops:rX for each", text)


def test_line_of_sudoers_as_printed_shows_the_logs(capsys):
    with logins.running(sudoers=f"{LINE}\n", setup=WRITER) as login:
        host, text = written(capsys, login.spec())
    assert host["run_as"] == "deploy"
    assert host["logs"] == {"shop": {"path": "/run/home/deploy/shop.log", "format": "json"}}
    assert LINE not in text


def test_other_rights_of_sudo_run_nothing(capsys):
    with logins.running(sudoers="ops ALL = (deploy) NOPASSWD: /usr/bin/perl -v\n", setup=WRITER) as login:
        host, text = written(capsys, login.spec())
    assert "run_as" not in host
    assert f"a line of sudoers: {LINE}" in text


@pytest.mark.parametrize(
    ("key", "message"),
    [("other_key", ": ssh-copy-id -p "), ("user_key", "Host key verification failed.: ssh -p ")],
)
def test_wrong_key_and_wrong_host_key_are_one_line(capsys, key, message):
    with logins.running() as login:
        if key == "user_key":
            login.forget_host_key()
        assert main(["init", login.spec(key)]) == 6
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_host_without_perl_is_one_line_with_the_package(capsys):
    with logins.running(missing="perl") as login:
        assert main(["init", login.spec()]) == 6
    (line,) = capsys.readouterr().err.splitlines()
    assert "perl" in line
    assert "apt-get install perl" in line
