"""The files of rights: equal to the samples, valid, and no more than the inventory needs."""

import subprocess

import pytest

from lab.postgres import SUPERUSER
from opsproof.command.main import main
from opsproof.core import scripts
from opsproof.core.errors import InventoryError, Refused
from opsproof.core.installation import rights_command
from opsproof.facts import REGISTRY
from opsproof.facts.base import ShellFact
from opsproof.inventory.hosts import Host
from opsproof.postgres.connection import DatabaseTarget, ask
from opsproof.privileges import bundle, held, rules, servers
from opsproof.privileges.sudoers import SudoUser
from opsproof.transport.shell import Answer
from tests.harness import samples

DSN = "host=127.0.0.1 port=5432 dbname=metachat user=opsproof_monitor"
LOGIN = "ssh://ops@vps"


def made(**declared):
    host = Host.model_validate({"transport": LOGIN, **declared}).placed("vps", ())
    return {each.name: each.content for each in bundle.of_host(host, SudoUser("ops"), {})}


def test_samples_equal_the_files_for_the_examples(everything):
    found = {path.name: path.read_text(encoding="utf-8") for path in samples.FOLDER.iterdir()}
    assert samples.samples(everything.hosts["vps-01"]) == found


def test_host_without_resources_needs_only_the_login():
    assert list(made()) == ["opsproof.sshd.conf", "install.sh"]
    assert "AllowTcpForwarding no" in made()["opsproof.sshd.conf"]


def test_every_host_fact_of_another_user_has_a_table(everything):
    (host,) = everything.hosts.values()
    facts = [kind() for kind in REGISTRY.values()]
    borrowed = {each.name for each in facts if isinstance(each, ShellFact) and each.command(host).user}
    assert borrowed == rules.NEEDS.keys()


def test_host_without_containers_has_no_lines_about_docker():
    file = made(listening={"run_as": "root"})["opsproof.sudoers"]
    assert "ops ALL = (root) NOPASSWD: /usr/bin/ss --listening --tcp --numeric --processes\n" in file
    assert "docker" not in file.lower()


def test_units_and_plain_processes_need_only_the_login():
    units = {"shop.service": {}, "mine.service": {"manager": "user"}}
    processes = {"courier": {"command": "courier *", "user": "courier"}}
    assert list(made(systemd={}, units=units, processes=processes)) == ["opsproof.sshd.conf", "install.sh"]


def test_files_of_another_user_need_perl_as_the_user():
    backup = {"engine": "files", "folder": "/b", "paths": ["/app"]}
    assert "(app) NOPASSWD: /usr/bin/perl" in made(run_as="app", backups={"files": backup})["opsproof.sudoers"]
    own = made(run_as="app", backups={"files": {**backup, "run_as": "root"}})["opsproof.sudoers"]
    assert ("(root) NOPASSWD: /usr/bin/perl" in own, "(app)" in own) == (True, False)
    assert "opsproof.sudoers" not in made(backups={"files": backup})


def test_unit_of_another_user_needs_perl_as_the_owner():
    units = {"mine.service": {"manager": "user", "run_as": "app"}}
    host = Host.model_validate({"transport": LOGIN, "systemd": {}, "units": units}).placed("vps", ())
    assert rules.of_rounds(host) == [rules.SudoRule("app", "perl")]


@pytest.mark.parametrize(
    ("declared", "name", "line"),
    [
        ({"databases": {"a": {"dsn": DSN}}}, "opsproof.sshd.conf", "PermitOpen 127.0.0.1:5432"),
        ({"databases": {"a": {"dsn": "dbname=a user=m"}}}, "opsproof.sshd.conf", "AllowStreamLocalForwarding local"),
        ({"databases": {"a": {"dsn": "dbname=a user=Ops"}}}, "monitor.sql", 'GRANT pg_monitor TO "Ops";'),
        ({"broker": {"netrc": "/n"}}, "install.sh", "rabbitmqctl set_user_tags opsproof monitoring"),
        ({"caches": {"c": {"netrc": "/n"}}}, "opsproof.acl", "-@all +ping +info"),
        ({"caches": {"c": {"netrc": "/n/f"}}}, "install.sh", "[ -e /n/f ] || install -o ops -g ops -m 0600"),
    ],
    ids=["port", "socket", "role with capitals", "RabbitMQ", "Redis", "password file"],
)
def test_file_follows_the_inventory(declared, name, line):
    assert line in made(**declared)[name]


def test_superuser_as_monitor_needs_no_sql():
    assert "monitor.sql" not in made(databases={"a": {"dsn": "dbname=a user=postgres"}})


@pytest.mark.parametrize("word", ["^docker$", "a\nb"], ids=["regular expression", "line break"])
def test_words_that_sudoers_reads_otherwise_are_refused(word):
    with pytest.raises(InventoryError, match="sudoers cannot hold"):
        rules.written(("docker", word))


def test_hostile_names_stay_within_their_word():
    assert rules.written(("docker", "a,b:c=d\\ *?[x]#")) == r"docker a\,b\:c\=d\\ \*\?\[x\]\#"


@pytest.mark.parametrize(
    ("transport", "given", "login"),
    [("ssh://ops@vps", "", "ops"), ("ssh://vps", "eva", "eva"), ("docker://root@vps", "", "root")],
)
def test_login_is_given_or_of_the_transport(transport, given, login):
    assert bundle.login_of(Host(transport=transport), given) == login


@pytest.mark.parametrize(("transport", "given"), [("ssh://vps", ""), ("ssh://vps", "ops ALL"), ("ssh://%ops@vps", "")])
def test_unusable_login_is_an_error(transport, given):
    with pytest.raises(InventoryError, match="give --login=USER"):
        bundle.login_of(Host(transport=transport), given)


def test_files_are_written_once(tmp_path, everything, capsys):
    words = ["privileges", f"--inventory={everything.path}", f"--into={tmp_path}"]
    assert main(words) == 0
    written = capsys.readouterr().out.splitlines()
    assert f"{tmp_path}/vps-01/opsproof.sudoers" in written
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert main(words) == 3
    assert "exists: choose another folder" in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    subprocess.run(["sh", "-n", tmp_path / "vps-01" / "install.sh"], check=True)


def test_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(Refused, match=r"not a directory|exists"):
        bundle.write([], tmp_path / "taken")


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(0, "Match User ops\n"), "missing"),
        (Answer(1, "", "cat: x: No such file or directory"), "missing"),
        (Answer(1, "", "cat: x: Permission denied"), "not visible"),
    ],
    ids=["differs", "absent", "unreadable"],
)
def test_settings_of_sshd_are_compared(answer, kind):
    (file,) = servers.sshd(Host(transport=LOGIN), "ops")
    assert [each.kind for each in held._sshd(answer, file)] == [kind]
    assert held._sshd(Answer(0, f"# another heading\n{file.content}"), file) == []


@pytest.fixture
def monitored(postgres, monkeypatch):
    """A server with the role of monitor.sql, installed twice, and the differences of its rights."""
    text = made(databases={"a": {"dsn": f"port={postgres.server.port} user=fresh_monitor"}})["monitor.sql"]
    monkeypatch.setenv("FRESH", "secret")
    target = DatabaseTarget(
        f"host=127.0.0.1 port={postgres.server.port} dbname=postgres user=fresh_monitor", "FRESH", 5.0
    )
    with postgres.server.connect(SUPERUSER, postgres.password, "postgres") as connection:
        connection.execute("CREATE SEQUENCE public.numbers; CREATE TABLE public.secrets ()")
        for _ in range(2):
            connection.execute(text.encode())
        connection.execute("RESET search_path")
        connection.execute("ALTER ROLE fresh_monitor PASSWORD 'secret'")
        connection.commit()

        def differences(statement=""):
            if statement:
                connection.execute(statement.encode())
                connection.commit()
            (result,) = ask(target, [scripts.sql("privileges/held")])
            return [str(each) for each in held.of_role(result, "a", "fresh_monitor")]

        yield differences
        connection.execute(
            "DROP OWNED BY fresh_monitor; DROP ROLE fresh_monitor; DROP SEQUENCE public.numbers; "
            "DROP TABLE public.secrets"
        )


def test_role_of_the_file_has_the_rights_and_no_more(monitored):
    assert monitored() == []


@pytest.mark.parametrize(
    ("statement", "difference"),
    [
        ("REVOKE pg_monitor FROM fresh_monitor", "missing: a: membership in pg_monitor"),
        ("REVOKE SELECT ON public.numbers FROM fresh_monitor", "missing: a: SELECT on sequences public.numbers"),
    ],
)
def test_missing_rights_of_the_role_are_named(monitored, statement, difference):
    found = [each.removesuffix(f": run the SQL of {rights_command('monitor.sql')}") for each in monitored(statement)]
    assert difference in found


@pytest.mark.parametrize(
    ("statement", "rights"),
    [
        ("ALTER ROLE fresh_monitor CREATEDB BYPASSRLS", ["BYPASSRLS", "CREATEDB"]),
        ("GRANT pg_read_all_data TO fresh_monitor", ["membership in pg_read_all_data"]),
        ('CREATE ROLE "Odd role"; GRANT "Odd role" TO fresh_monitor', ['membership in "Odd role"']),
        ("GRANT INSERT ON public.secrets TO fresh_monitor", ["a grant on public.secrets"]),
    ],
)
def test_superfluous_rights_end_with_the_printed_statements(monitored, statement, rights):
    found = [each.removeprefix("too much: a: ").rpartition(": ") for each in monitored(statement)]
    assert [right for right, _, _ in found] == rights
    assert monitored(" ".join(statement for *_, statement in found)) == []
    monitored('DROP ROLE IF EXISTS "Odd role"')


def test_unreachable_database_is_not_visible():
    (result,) = ask(DatabaseTarget("host=127.0.0.1 port=1 user=m", "", 2.0), ["SELECT 1"])
    assert [each.kind for each in held.of_role(result, "a", "fresh_monitor")] == ["not visible"]
