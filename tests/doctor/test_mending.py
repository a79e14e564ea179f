"""The command for each reason of an unknown verdict."""

import pytest

from opsproof.doctor.mending import AGAIN, BY_HAND, Patient, mend
from opsproof.doctor.probe import Probe
from opsproof.doctor.probes import _clock, _judged, _listed, _said
from opsproof.inventory.hosts import Host
from opsproof.privileges.rules import SudoRule
from opsproof.transport.shell import Answer

DSN = "host=127.0.0.1 dbname=ledger user=opsproof_monitor"
CONTAINED = {"dsn": DSN, "container": "db", "superusers": ["admin"]}


def patient(transport="ssh://ops@vps:2222", resource="", **declared):
    declared = declared or {"databases": {"ledger": {"dsn": DSN}}}
    host = Host.model_validate({"transport": transport, **declared}).placed("vps", ())
    return Patient(host, "i.toml", resource)


OPSPROOF = "--inventory=i.toml --host=vps"


@pytest.mark.parametrize(
    ("sentence", "command"),
    [
        ("ssh: Could not resolve hostname vps: Name or service not known", "add the name vps to DNS"),
        ("Host key verification failed.", "ssh -p 2222 ops@vps true"),
        ("ops@vps: Permission denied (publickey).", "ssh-copy-id -p 2222 ops@vps"),
        ("ssh: connect to host vps port 2222: Connection refused", "ssh -v -p 2222 ops@vps true"),
        ("channel 2: open failed: connect failed: Connection refused", "PGCONNECT_TIMEOUT=5 psql"),
        ("channel 2: open failed: administratively prohibited: open failed", "--show=opsproof.sshd.conf"),
        ("permission denied for table a: run opsproof privileges --show=monitor.sql", "monitor.sql; on vps: sudo"),
        ("function opsproof.vector_recall does not exist: opsproof privileges --show=recall.sql", "< recall.sql"),
        ('role "opsproof_monitor" does not exist', f"opsproof privileges {OPSPROOF} --show=monitor.sql"),
        ("extension pgstattuple is not installed", 'CREATE EXTENSION IF NOT EXISTS "pgstattuple"'),
        ("pg_stat_statements must be loaded via shared_preload_libraries", "ALTER SYSTEM SET shared_preload_libraries"),
        ('password authentication failed for user "opsproof_monitor"', "\\password"),
        ("environment variable LEDGER is not set: it must hold the password", "read -rs LEDGER && export LEDGER"),
        ("docker inspect ended with status 1: sudo: a password is required", f"opsproof privileges {OPSPROOF} --into"),
        ("host: sh: 1: perl: not found", "on vps: sudo apt-get install perl"),
        ("host: bash: line 1: perl: command not found", "on vps: sudo apt-get install perl"),
        ("curl not found: No such file or directory", "on vps: sudo apt-get install curl"),
        ("systemctl ended with status 1: Failed to connect to bus: No such file", "on vps: sudo apt-get install dbus"),
        ("limits.disk_used is not declared in the inventory", "disk_used = { must"),
        ("no earlier run is on record, so nothing can be compared", AGAIN),
        ("out: 0 or more errors: lines reach back 25 min (1 d needed)", "is new, declare since under logs."),
        ("out: unread lines 100 % (limit < 1 %): 10 of 10 lines are not json", "see the line 'format of log "),
        ("vps, rotated_files out cannot be read: ValueError the log has no rotated file and no dated line", "another"),
        ("the moon is full", BY_HAND),
    ],
)  # fmt: skip
def test_reason_has_its_command(sentence, command):
    assert command in mend(patient(), sentence)


@pytest.mark.parametrize(
    ("unit", "user"), [({"manager": "user"}, "ops"), ({"manager": "user", "run_as": "deploy"}, "deploy")]
)
def test_user_manager_is_started_without_a_login(unit, user):
    of_user = patient(resource="x.service", systemd={}, units={"x.service": unit})
    said = mend(of_user, "systemctl ended with status 1: Failed to connect to bus: No medium found")
    assert said == f"on vps: sudo loginctl enable-linger {user}"


def test_local_files_are_piped_into_psql():
    said = mend(patient("local://"), "run the SQL of opsproof privileges --show=monitor.sql")
    show, _, psql = said.partition(" | ")
    assert show.endswith(f"opsproof privileges {OPSPROOF} --show=monitor.sql")
    assert psql.startswith("sudo -u postgres psql --dbname=ledger ")
    assert psql.endswith(" -v ON_ERROR_STOP=1")


def test_database_in_a_container_is_mended_there():
    declared = {"containers": {"db": {}}, "databases": {"ledger": CONTAINED, "other": {"dsn": DSN}}}
    said = mend(
        patient(resource="ledger", docker_as="root", **declared),
        "run the SQL of opsproof privileges --show=monitor.sql",
    )
    assert "--show=monitor-ledger.sql" in said
    assert "sudo docker exec -i db psql --dbname=ledger --username=admin " in said


def test_reason_without_a_known_database_is_left_to_a_person():
    declared = {"databases": {"a": {"dsn": DSN}, "b": {"dsn": DSN}}}
    assert mend(patient(**declared), "run the SQL of opsproof privileges --show=monitor.sql") == BY_HAND


@pytest.mark.parametrize(
    ("name", "answer", "line"),
    [
        ("curl", Answer(0, "/usr/bin/curl\n"), "curl: good"),
        ("curl", Answer(1, ""), "curl: not found: on vps: sudo apt-get install curl"),
        ("sudo -u root docker ps", Answer(1, "", "sudo: a password is required\n"), "sudo -u root docker ps: sudo: a"),
        ("sudo -u root docker ps", Answer(1, ""), "sudo does not permit the command"),
    ],
)  # fmt: skip
def test_probe_says_what_is_wrong(name, answer, line):
    assert line in str(_judged(patient(), name, answer, {"docker": "/usr/bin/docker"}))


def test_program_in_another_folder_is_given_to_privileges():
    said = _judged(patient(), "sudo -u root docker ps", Answer(1, ""), {"docker": "/usr/local/bin/docker"})
    assert said.mend.endswith("--into=rights --program=/usr/local/bin/docker")


@pytest.mark.parametrize(
    ("now", "wrong"), [(100.0, ""), (90.0, "10 s behind this machine"), (160.0, "59 s ahead this machine")]
)
def test_clock_is_compared_with_this_machine(now, wrong):
    assert _clock(Answer(0, "", now=now, sent=100.0, received=101.0)).wrong == wrong


def test_sudo_is_asked_for_the_words_of_the_rule():
    rule = SudoRule("root", r"docker ps --format {{json .Names}} a\:b")
    assert _listed(rule).argv[4:] == ("root", "--", "docker", "ps", "--format", "{{json", ".Names}}", "a:b")
    assert _said(rule) == "-u root docker ps ... a\\:b"


def test_good_probe_is_one_word():
    assert str(Probe("perl")) == "perl: good"
