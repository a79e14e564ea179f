"""What is seen on a host, from output of its commands, with hostile names."""

import json
import tomllib

import pytest

from opsproof.command.main import main
from opsproof.core.errors import CommandError, MeasurementError
from opsproof.discovery import contents, exploring, looking, toml, units, writing
from opsproof.discovery.rights import Rights
from opsproof.discovery.sight import Entry, Sight
from opsproof.inventory.load import load
from opsproof.inventory.resources import Database
from opsproof.postgres.connection import Result
from opsproof.transport.shell import Answer

OPS = Rights("ops")
SHOP = Database(dsn="dbname=shop")
HOSTILE = 'a"b\'c\n[hosts.evil]\ntransport = "ssh://evil" # \x1b[2J \u2028 é \\u0041 \x7f'


def digits(text):
    return text.encode().hex()


def described(*lines):
    return looking.labelled("".join(f"{each}\n" for each in (*lines, "end")), "it")


def document(sight, name="vps"):
    return tomllib.loads(writing.inventory(name, "ssh://ops@vps", 'extends = "metachat.toml"', sight))


@pytest.mark.parametrize("name", [HOSTILE, "plain", "", "with.dot", "]]"])
def test_names_survive_toml(name):
    sight = Sight([Entry("processes", name), Entry("pm2", "", {"home": name}), Entry("mounts", name, {}, name)])
    sight.remarks.append(name)
    (host,) = document(sight, name or "h")["hosts"].values()
    assert host["processes"] == {name: {}}
    assert host["pm2"] == {"home": name}
    assert set(host) == {"transport", "processes", "pm2", "mounts"}


@pytest.mark.parametrize(
    ("value", "text"), [(True, "true"), (7, "7"), (["a", 'b"'], '["a", "b\\""]'), ("\x7f", '"\\u007f"')]
)
def test_values_are_toml(value, text):
    assert toml.value(value) == text
    assert tomllib.loads(f"x = {text}") == {"x": value}


def test_daemon_of_pm2_gives_processes_and_states():
    said = json.dumps({"daemon": {"processes": [{"name": HOSTILE, "status": "errored"}]}, "saved": None})
    line = f"deploy {digits('/home/deploy/.pm2')} {digits('/opt/node/bin')} {said}\n"
    assert looking.processes(Answer(0, line), None, OPS).entries == [
        Entry("path", "/opt/node/bin"),
        Entry("pm2", "", {"home": "/home/deploy/.pm2"}),
        Entry("processes", HOSTILE, {}, "is errored now"),
    ]


HIDDEN = Answer(0, f"deploy {digits('/home/deploy/.pm2')}  \n")


def test_daemon_of_another_user_is_unseen_with_the_line_of_sudoers():
    (unseen,) = looking.processes(HIDDEN, None, OPS).unseen
    assert unseen.what == "the processes of PM2 in /home/deploy/.pm2"
    assert unseen.way == "a line of sudoers: ops ALL = (deploy) NOPASSWD: /usr/bin/perl"


def test_daemon_of_another_user_is_seen_by_sudo():
    said = json.dumps({"daemon": {"processes": [{"name": "api", "status": "online"}]}, "saved": None})
    sight = looking.processes(HIDDEN, Answer(0, f"deploy {digits('/home/deploy/.pm2')}  {said}\n"), OPS)
    assert sight.entries == [Entry("pm2", "", {"home": "/home/deploy/.pm2"}), Entry("processes", "api")]
    assert looking.processes(HIDDEN, Answer(1, "", "sudo: a password is required"), OPS).unseen


@pytest.mark.parametrize(
    ("granted", "owner"),
    [
        ([], ""),
        ([("deploy", "/usr/bin/perl")], "deploy"),
        ([("shop", "/usr/bin/perl")], "shop"),
        ([("shop, deploy", "/usr/bin/perl")], "deploy"),
        ([("ALL", "ALL")], "deploy"),
        ([("deploy", "/usr/bin/perl -e 1")], ""),
        ([("deploy", "/usr/bin/python3")], ""),
    ],
)
def test_owner_of_pm2_comes_before_other_permitted_users(granted, owner):
    answers = {"pm2": HIDDEN, "look": Answer(0, "hidden 3 shop\nhidden 9 deploy\nend\n")}
    assert looking.owner(answers, Rights("ops", tuple(granted))) == owner
    assert looking.owner(answers, Rights("root", tuple(granted))) == ""


def test_second_daemon_becomes_a_remark():
    sight = Sight([Entry("pm2", "", {"home": "/a"})])
    sight.add(Sight([Entry("pm2", "", {"home": "/b"})]))
    assert len(sight.entries) == 1
    assert sight.remarks == ["another pm2  {'home': '/b'}"]


def test_logs_have_formats_and_distinct_names():
    paths = ("/srv/a/out.log", "/srv/b/out.log", f"/srv/{HOSTILE.replace('//', '/')}.log")
    kinds = ("json", "empty", "text")
    found = described(*(f"log {kind} {digits(path)}" for kind, path in zip(kinds, paths, strict=True)))
    entries = [each for each in looking.logs(found, {}, OPS).entries if each.table == "logs"]
    assert [each.fields for each in entries] == [
        {"path": paths[0], "format": "json"},
        {"path": paths[1], "format": "text"},
        {"path": paths[2], "format": "text"},
    ]
    assert [each.name for each in entries][:2] == ["out", "b-out"]
    assert entries[1].confirm == "the file is empty: the format is a guess"


@pytest.mark.parametrize(
    ("name", "is_of_errors"),
    [
        *(
            (each, True)
            for each in ("api-error.log", "stderr", "error.log", "worker.err", "app_errors-0.log", "ERROR.log")
        ),
        *((each, False) for each in ("out.log", "terror.log", "erratic.log", "mirror.log", "stdout.log")),
    ],
)
def test_silence_of_a_log_of_errors_is_no_fault(name, is_of_errors):
    (log, _) = looking.logs(described(f"log empty {digits(f'/srv/{name}')}"), {}, OPS).entries
    assert ("limits" in log.fields) == is_of_errors


def test_hidden_logs_are_unseen_with_the_line_of_sudoers():
    found = {"hidden": ["12 root", "3 shop", "1 #1001"]}
    (unseen,) = looking.logs(found, {}, OPS).unseen
    assert unseen.what == "open logs of 16 processes of #1001, root, shop"
    line = "a line of sudoers: ops ALL = (#1001, shop) NOPASSWD: /usr/bin/perl"
    assert unseen.way == f"{line}; or a table under logs"
    (unseen,) = looking.logs(found, described("hidden 12 root", f"log json {digits('/srv/a.log')}"), OPS).unseen
    assert (unseen.what, unseen.way) == ("open logs of 12 processes of root", "a table under logs")


def test_logs_of_the_permitted_user_are_found():
    path = digits("/srv/out.log")
    sight = looking.logs(described(f"log unreadable {path}"), described(f"log json {path}"), OPS)
    assert Entry("logs", "out", {"path": "/srv/out.log", "format": "json"}) in sight.entries


MOUNTS = """\
/dev/vda1 / ext4 rw,relatime 0 0
/dev/vda1 /var/lib/docker ext4 rw 0 0
tmpfs /run tmpfs rw 0 0
/dev/vdb1 /mnt/with\\040space xfs ro,relatime 0 0
nas:/export /mnt/nas nfs4 rw 0 0
overlay /merged overlay rw 0 0
/dev/vdc1 /etc/resolv.conf ext4 rw 0 0
"""


def test_disks_are_mounts_and_one_mounted_read_only_is_to_confirm():
    entries = looking.mounts(Answer(0, MOUNTS)).entries
    assert [(each.name, each.confirm) for each in entries] == [
        ("/", ""),
        ("/mnt/with space", "is mounted read-only now"),
        ("/mnt/nas", ""),
    ]


def shown(*states):
    """The answer of systemctl for units of a name, active state, substate, unit file state and path."""
    keys = ("Id", "ActiveState", "SubState", "UnitFileState", "FragmentPath")
    return Answer(0, "\n\n".join("\n".join(map("=".join, zip(keys, each, strict=True))) for each in states) + "\n")


def test_enabled_units_of_administrators_and_running_services_are_entries():
    lib, etc = "/lib/systemd/system/x", "/etc/systemd/system/x"
    sight = units.units(
        shown(
            ("nginx.service", "active", "running", "enabled", lib),
            ("postgresql@15-main.service", "active", "running", "enabled-runtime", lib),
            ("shop.service", "failed", "failed", "enabled", etc),
            ("report.timer", "active", "waiting", "enabled", etc),
            ("report.service", "inactive", "dead", "static", etc),
            ("notes.service", "inactive", "dead", "disabled", etc),
            ("fstrim.timer", "active", "waiting", "enabled", lib),
            ("systemd-journald.service", "active", "running", "static", lib),
            ("getty@tty1.service", "active", "running", "enabled", lib),
        )
    )
    assert sight.entries == [
        Entry("systemd", "", {}, "failed now: shop.service"),
        Entry("units", "nginx.service"),
        Entry("units", "postgresql@15-main.service"),
        Entry("units", "report.timer", {}, "starts a job: add every, the interval between two starts"),
        Entry("units", "shop.service", {}, "is failed now"),
    ]


@pytest.mark.parametrize("answer", [Answer(1, "", "System has not been booted with systemd"), Answer(0, "\n")])
def test_silent_systemd_is_unseen(answer):
    assert units.units(answer).unseen
    assert not units.units(answer).entries


def test_clock_that_is_not_set_is_to_confirm():
    assert looking.clock(Answer(0, "yes\n")).entries == [Entry("clock", "", {"service": "timedatectl"})]
    assert looking.clock(Answer(0, "no\n")).entries[0].confirm == "does not set the clock now"
    assert looking.clock(Answer(127, "")).unseen


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Answer(127, "", "perl: not found"), "perl not found on the host: sudo apt-get install perl"),
        (Answer(0, "pm2 00\n"), "cut short"),
    ],
)
def test_damaged_description_is_an_error(answer, message):
    answers = {**dict.fromkeys(looking.commands(), Answer(0, "")), "login": Answer(0, "ops\n"), "look": answer}
    with pytest.raises((CommandError, MeasurementError), match=message):
        exploring.begun(answers)


def test_units_of_users_are_unseen():
    (unseen,) = units.of_users(Answer(0, "app\ndeploy\n")).unseen
    assert unseen.what == "units of the user managers of app, deploy"
    assert not units.of_users(Answer(2, "", "ls: cannot access")).unseen


def test_damaged_name_is_an_error():
    with pytest.raises(MeasurementError, match="is damaged: 'zz'"):
        looking.logs(described("log text zz"), {}, OPS)


@pytest.mark.parametrize(
    ("bounds", "span"),
    [
        (["FOR VALUES FROM ('2026-11-01') TO ('2026-12-01')"], "month"),
        (["FOR VALUES FROM ('2026-11-02 00:00:00+00') TO ('2026-11-09 00:00:00+00')"], "week"),
        (["FOR VALUES FROM ('2026-11-02') TO ('2026-11-03')"], "day"),
        (["FOR VALUES FROM (1) TO (100)"], ""),
        (["FOR VALUES FROM (MINVALUE) TO ('2026-11-02')"], ""),
        ([], ""),
    ],
)  # fmt: skip
def test_span_of_partitions_is_recognised(bounds, span):
    assert contents.span_of(bounds) == span


def _contents(**changed):
    partitioned = [
        {"table": "public.events", "strategy": "r", "bounds": ["FOR VALUES FROM ('2026-11-02') TO ('2026-11-03')"]}
    ]
    vectors = [
        {"index": "i", "table": "public.t", "method": "hnsw", "column": "v", "class": "vector_l2_ops", "valid": False},
        {"index": "e", "table": "public.t", "method": "hnsw", "column": None, "class": "vector_l2_ops", "valid": True},
    ]
    columns = {
        "partitioned": partitioned,
        "vectors": vectors,
        "settings": ["hnsw.ef_search=80"],
        "superusers": ["postgres"],
    }
    return Result([list({**columns, "standbys": [], "archived": True, "name": "shop", **changed}.values())])


def test_database_gives_indexes_with_settings_and_operators():
    sight = contents.seen(_contents(), SHOP)
    assert sight.entries[1].fields == {"database": "shop", "table": "public.events", "by": "day"}
    assert sight.entries[0] == Entry(
        "databases", "shop", {"dsn": "dbname=shop", "superusers": ["postgres"], "archived": True}
    )
    index = sight.entries[2]
    assert index.fields["operator"] == "<->"
    assert index.fields["ef_search"] == 80
    assert index.confirm.startswith("is invalid now; the application may set ef_search itself, which is not visible")
    assert sight.remarks == [
        "e of shop has an expression or an unknown class: not checked",
    ]


def test_database_has_its_password_file_and_the_only_container():
    database = Database(dsn="dbname=shop", password_file="/home/ops/.opsproof/postgres")
    entry = contents.seen(_contents(), database, "shop-postgres").entries[0]
    assert entry.fields["password_file"] == "/home/ops/.opsproof/postgres"
    assert entry.fields["container"] == "shop-postgres"
    assert entry.confirm == "belongs to the container shop-postgres, by image and name"


def test_refused_database_is_unseen():
    (unseen,) = contents.seen(Result(refusal="password authentication failed"), SHOP).unseen
    assert "password authentication failed" in unseen.what
    assert "opsproof privileges" in unseen.way


def test_written_inventory_loads(tmp_path, repository):
    sight = contents.seen(_contents(), SHOP)
    sight.add(Sight([Entry("containers", "db"), Entry("run_as", "deploy"), Entry("docker_as", "root")]))
    shipped = (repository / "inventory" / "metachat.toml").read_text(encoding="utf-8")
    path = tmp_path / "new.toml"
    path.write_text(writing.inventory("vps", "ssh://ops@vps", writing.limits_in(shipped), sight), encoding="utf-8")
    (host,) = load(path).hosts.values()
    assert host.limit("disk_used") is not None
    assert host.vector_indexes["i"].ef_search == 80
    assert (host.run_as, host.docker_as) == ("deploy", "root")


def test_existing_file_is_not_overwritten(tmp_path, capsys):
    path = tmp_path / "mine.toml"
    path.write_text("mine", encoding="utf-8")
    assert main(["init", "local://", f"--into={path}"]) == 3
    assert path.read_text(encoding="utf-8") == "mine"
    assert "exists: choose another file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["vps"], "write ssh://user@host or local://"),
        (["ssh://a:b@c"], "write ssh://"),
        (["local://", "--dsn=password=x"], "passfile"),
    ],
)
def test_mistakes_are_one_line(words, message, capsys):
    assert main(["init", *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
