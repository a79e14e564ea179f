import json
import os
import re
import shutil
import socket
import struct
import tempfile
import threading
from pathlib import Path

import pytest

from opsproof.errors import Absent, CommandError
from opsproof.facts.processes import Processes
from opsproof.models import Host
from opsproof.samples import Counter
from opsproof.shell import Answer, run

SECRETS = {"JWT_SECRET": "hunter2-jwt", "SMTP_PASS": "hunter2-smtp", "DATABASE_URL": "postgresql://u:hunter2-db@h/d"}


@pytest.fixture
def listed(recorded):
    """The recorded list, changed."""

    def listed(change=lambda found: None, now=1795472929.0):
        found = json.loads(recorded("pm2_list.json").stdout)
        change(found)
        return Processes().parse(Answer(0, json.dumps(found), now=now), None)

    return listed


def api(found):
    return next(each for each in found["daemon"]["processes"] if each["name"] == "meta-chat-api")


def test_a_process_is_what_pm2_knows_of_it(listed, recorded):
    said = api(json.loads(recorded("pm2_list.json").stdout))
    process = listed()["meta-chat-api"]
    assert (process.status, process.pid, process.memory_bytes) == ("online", said["pid"], said["memory_bytes"])
    assert process.uptime == pytest.approx(1795472929.0 - said["started_ms"] / 1000)
    assert process.restarts == Counter(0, 1795472243.0, 1795472929.0, said["started_ms"] / 1000)
    assert (process.module, listed()["pm2-logrotate"].module) == (False, True)


def test_what_runs_is_what_is_saved(listed):
    assert listed().unsaved == []
    assert (listed().version, listed().tool_version) == ("7.0.4", "7.0.4")


@pytest.mark.parametrize(
    ("change", "differences"),
    [
        (lambda found: found["saved"].clear(),
         ["meta-chat-api (/home/deploy/meta-chat-platform/api.js) runs, but is not saved",
          "meta-chat-worker (/home/deploy/meta-chat-platform/worker.js) runs, but is not saved"]),
        (lambda found: found["daemon"]["processes"].remove(api(found)),
         ["meta-chat-api (/home/deploy/meta-chat-platform/api.js) is saved, but does not run"]),
        (lambda found: found["daemon"]["processes"].append(api(found)),
         ["2 of meta-chat-api (/home/deploy/meta-chat-platform/api.js) run"]),
        (lambda found: api(found).update(arguments=1),
         ["meta-chat-api (/home/deploy/meta-chat-platform/api.js) runs, but is not saved",
          "meta-chat-api (/home/deploy/meta-chat-platform/api.js) is saved, but does not run"]),
    ],
    ids=["nothing saved", "one does not run", "one runs twice", "other arguments"],
)  # fmt: skip
def test_a_reboot_that_would_bring_something_else_is_told(listed, change, differences):
    assert listed(change).unsaved == differences


def test_a_list_that_was_never_saved_is_absent(listed):
    with pytest.raises(Absent, match="no process list was saved"):
        _ = listed(lambda found: found.update(saved=None)).unsaved


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda found: found.update(daemon=None), "meta-chat-api is declared, but no PM2 daemon runs"),
        (
            lambda found: found["daemon"]["processes"].remove(api(found)),
            "meta-chat-api is declared, but PM2 does not know it",
        ),
    ],
)
def test_a_process_that_is_not_there_is_absent(listed, change, complaint):
    with pytest.raises(Absent) as caught:
        listed(change)["meta-chat-api"]
    assert str(caught.value) == complaint


@pytest.mark.parametrize("status", ["errored", "stopped", "launching", "waiting restart"])
def test_a_process_that_does_not_run_has_no_uptime(listed, status):
    process = listed(lambda found: api(found).update(status=status))["meta-chat-api"]
    assert process.restarts.quiet_since is None
    with pytest.raises(Absent, match=f"meta-chat-api is {status}, so it has no uptime"):
        _ = process.uptime


def test_a_cluster_is_judged_by_its_worst_instance(listed):
    def add(found):
        found["daemon"]["processes"] += [api(found) | {"pid": 1, "memory_bytes": 9**15}]
        found["daemon"]["processes"] += [api(found) | {"pid": 2, "status": "errored", "memory_bytes": 0}]

    assert listed(add)["meta-chat-api"].status == "errored"


def test_a_start_in_the_future_is_no_negative_age(listed):
    assert listed(now=1.0)["meta-chat-api"].uptime == 0


@pytest.mark.parametrize("key", ["status", "pid", "restarts", "memory_bytes", "name", "started_ms", "module", "script"])
def test_a_process_without_one_of_its_fields_is_not_read(listed, key):
    with pytest.raises(KeyError):
        listed(lambda found: api(found).pop(key))


# The daemon: frames of the AMP protocol over a socket, as pm2-axon writes them.


def frame(*texts):
    parts = [text.encode() for text in texts]
    return bytes([(1 << 4) | len(parts)]) + b"".join(struct.pack(">I", len(part)) + part for part in parts)


def entry(name="meta-chat-api", **changes):
    env = {
        "status": "online", "restart_time": 3, "pm_uptime": 1795472243178, "pm_exec_path": "/srv/api.js",
        "pm_cwd": "/srv", "exec_mode": "fork_mode", "args": ["--token", "hunter2-argument"], "name": name,
        "env": SECRETS, **SECRETS, **changes,
    }  # fmt: skip
    return {"name": name, "pid": 4711, "pm2_env": env, "monit": {"memory": 64_000_000, "cpu": 1}}


class Daemon:
    """Answers each method that pm2_list.pl calls, as the PM2 daemon does."""

    def __init__(self, path, answers):
        self._answers = answers
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                request = connection.recv(65536)
                method = json.loads(request[5 : 5 + struct.unpack(">I", request[1:5])[0]][2:])["method"]
                for part in self._answers[method]:
                    connection.sendall(part)

    def close(self):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def said(value):
    """A daemon's answer, in two parts as a long one arrives."""
    whole = frame("j:" + json.dumps({"args": [value]}), "s:1:0")
    return [whole[:20], whole[20:]]


@pytest.fixture
def home():
    """A PM2_HOME; a socket's path has room for 107 characters, too few for pytest's own folders."""
    folder = Path(tempfile.mkdtemp(prefix="pm2-"))
    (folder / "pm2.pid").write_text("1")
    saved = {**entry()["pm2_env"]}
    (folder / "dump.pm2").write_text(json.dumps([saved, {"name": "pm2-logrotate", "pmx_module": True}]))
    tool = folder / "pm2" / "bin" / "pm2"
    tool.parent.mkdir(parents=True)
    tool.touch()
    (folder / "pm2" / "package.json").write_text('{"version": "7.0.4"}')
    (folder / "bin").mkdir()
    (folder / "bin" / "pm2").symlink_to(tool)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def daemon(home):
    opened = []

    def daemon(**answers):
        answers = {"getMonitorData": said([entry()]), "getVersion": said("7.0.4"), **answers}
        opened.append(Daemon(home / "rpc.sock", answers))

    yield daemon
    for each in opened:
        each.close()


@pytest.fixture
def ask(home):
    """What the real program prints of the home."""

    def ask():
        host = Host.model_validate(
            {"transport": "local://", "path": [str(home / "bin")], "pm2": {"home": str(home)}}
        ).placed("vps", ())
        return run(host, (Processes().command(host),))[0]

    return ask


def test_no_secret_travels(daemon, ask):
    daemon()
    answer = ask()
    process = Processes().parse(answer, None)["meta-chat-api"]
    assert (process.status, process.restarts.value, process.memory_bytes) == ("online", 3, 64_000_000)
    assert Processes().parse(answer, None).unsaved == []
    assert "hunter2" not in answer.stdout + answer.stderr


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('[{"name":"api","JWT_SECRET":"hunter2-jwt"} x]', "the saved list dump.pm2 is not JSON"),
        ('{"JWT_SECRET":"hunter2', "the saved list dump.pm2 is not JSON"),
        ("hunter2", "the saved list dump.pm2 is not JSON"),
        ("", "the saved list dump.pm2 is not JSON"),
        ('{"JWT_SECRET":"hunter2-jwt"}', "the saved list dump.pm2 is not what PM2 writes"),
        ('["hunter2-jwt"]', "the saved list dump.pm2 is not what PM2 writes"),
        ('[{"name":"api","args":{"JWT_SECRET":"hunter2-jwt"}', "the saved list dump.pm2 is not JSON"),
    ],
)  # fmt: skip
def test_no_secret_travels_in_the_complaint_about_a_damaged_list(daemon, home, ask, text, complaint):
    daemon()
    (home / "dump.pm2").write_text(text)
    answer = ask()
    assert "hunter2" not in answer.stdout + answer.stderr
    with pytest.raises(CommandError, match=complaint):
        Processes().parse(answer, None)


@pytest.mark.parametrize(
    ("answers", "complaint"),
    [
        ([], "the PM2 daemon closed the connection at getMonitorData"),
        (
            [frame("j:" + json.dumps({"args": [[entry()]]}))[:100]],
            "the PM2 daemon closed the connection at getMonitorData",
        ),
        ([frame('j:{"JWT_SECRET":"hunter2" x', "s:1")], "the PM2 daemon's answer to getMonitorData is not JSON"),
        ([frame('j:{"error":"no such method"}', "s:1")], "no such method"),
        (
            [frame('j:{"error":{"JWT_SECRET":"hunter2"}}', "s:1")],
            "the PM2 daemon's answer to getMonitorData is an error",
        ),
        ([frame('j:{"args":[]}', "s:1")], "the PM2 daemon's answer to getMonitorData is empty"),
        ([frame('j:{"args":[null]}', "s:1")], "the PM2 daemon's list is not what PM2 writes"),
        ([frame('j:{"args":[[{"JWT_SECRET":"hunter2"}]]}', "s:1")], "the PM2 daemon's list is not what PM2 writes"),
        ([frame('j:["hunter2"]', "s:1")], "the PM2 daemon's answer to getMonitorData is not what PM2 writes"),
        ([frame("hunter2")], "the PM2 daemon's answer to getMonitorData is not JSON"),
        ([bytes([0x10])], "the PM2 daemon closed the connection at getMonitorData"),
    ],
    ids=[
        "closes",
        "breaks off",
        "garbage",
        "refuses",
        "fails",
        "nothing",
        "null",
        "others",
        "a list",
        "no type",
        "no argument",
    ],
)
def test_a_daemon_that_does_not_answer_is_not_a_daemon_without_processes(daemon, ask, answers, complaint):
    daemon(getMonitorData=answers)
    answer = ask()
    assert "hunter2" not in answer.stdout + answer.stderr
    with pytest.raises(CommandError, match=complaint):
        Processes().parse(answer, None)


def test_no_socket_is_no_daemon(ask):
    found = Processes().parse(ask(), None)
    assert (found.version, found.processes) == (None, ())
    assert len(found.saved) == 1


def test_a_socket_left_behind_is_no_daemon(home, ask):
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(home / "rpc.sock"))
    assert Processes().parse(ask(), None).version is None


def test_asking_starts_no_daemon(home, ask):
    before = sorted(home.iterdir())
    ask()
    assert sorted(home.iterdir()) == before


def test_a_home_that_is_not_there_is_no_answer(home, ask):
    shutil.rmtree(home)
    try:
        with pytest.raises(CommandError, match="No such file or directory"):
            Processes().parse(ask(), None)
    finally:
        home.mkdir()


def test_a_tool_that_is_missing_is_no_answer(home, ask, monkeypatch):
    (home / "bin" / "pm2").unlink()
    (home / "bin" / "perl").symlink_to(shutil.which("perl"))
    monkeypatch.setenv("PATH", str(home / "bin"))
    with pytest.raises(CommandError, match="pm2 is not in the search path"):
        Processes().parse(ask(), None)


# What the program reads as text must mean what it means to a JSON library.


@pytest.fixture
def told(daemon, home, ask):
    """The answer to a daemon that runs, and has saved, processes with these settings."""

    def told(*entries, saved=None):
        daemon(getMonitorData=said(list(entries)))
        (home / "dump.pm2").write_text(json.dumps([each["pm2_env"] for each in saved or entries], indent=2))
        return Processes().parse(ask(), None)

    return told


@pytest.mark.parametrize(
    "name", ["żółw 🐢", 'say "hi"', "back\\slash\\", "tab\tline\nend", "\u2028", "[{,:}]", "", "\x7f"]
)
def test_a_name_arrives_as_it_is(told, name):
    found = told(entry(name))
    assert found[name].status == "online"
    assert found.unsaved == []


@pytest.mark.parametrize("text", [r"\u0022}],\\", r"\ud83d\udc22", "🐢", r"\/\b\f"])
def test_an_escape_is_part_of_its_text(daemon, home, ask, text):
    whole = json.dumps({"args": [[entry("NAME")]]}, ensure_ascii=False).replace("NAME", text)
    daemon(getMonitorData=[frame("j:" + whole)])
    assert Processes().parse(ask(), None)[json.loads(f'"{text}"')].pid == 4711


@pytest.mark.parametrize(
    "value", [[[[]]], {"a": {"b": [{}, [1, {"status": "errored"}]]}}, -1.5e-7, None, [], {}, "x" * 99999]
)
def test_other_settings_do_not_matter(told, value):
    found = told(entry(first=value, status="online", last=value))
    assert (found["meta-chat-api"].status, found.unsaved) == ("online", [])


@pytest.mark.parametrize(
    "text",
    ["[" * 40_000 + "]" * 40_000, '{"a":' * 40_000 + "1" + "}" * 40_000, '"' + r"\n" * 150_000 + '"',
     "[" + "1," * 200_000 + "1]", "[" + "[]," * 40_000 + "[]]"],
    ids=["lists", "objects", "escapes", "numbers", "empty lists"],
)  # fmt: skip
def test_neither_depth_nor_length_is_too_much(daemon, home, ask, text):
    whole = json.dumps({"args": [[entry(other="VALUE")]]}).replace('"VALUE"', text)
    daemon(getMonitorData=[frame("j:" + whole)])
    answer = ask()
    assert (Processes().parse(answer, None)["meta-chat-api"].status, answer.stderr) == ("online", "")


@pytest.mark.parametrize(
    "text",
    ["[1,]", "[,1]", "[1 2]", "[", "]", "[}", '{"a":[}]', '{"a":1,}', '{"a"}', '{"a":}', "{1:2}", '{,"a":1}', "01",
     "1.", ".5", "+1", "-", "1e", "0x1", "tru", "nulll", "NaN", "undefined", "'a'", '"a', r'"\x41"', r'"\u12g4"',
     '"a\tb"',
     "\ufeff[]", "[] []", "[];", "\v[]", "[" * 100_000, "[[]", "{}}", '{"a" 1}', '{"a":1 "b":2}', "\x00"],
)  # fmt: skip
def test_what_is_not_json_is_never_read(home, ask, text):
    for whole in (text, f'[{{"other":{text}}}]'):
        (home / "dump.pm2").write_text(whole)
        with pytest.raises(CommandError, match=r"the saved list dump\.pm2 is not JSON"):
            Processes().parse(ask(), None)


def test_an_answer_may_come_in_small_pieces(daemon, ask):
    whole = b"".join(said([entry()]))
    daemon(getMonitorData=[whole[at : at + 1] for at in range(len(whole))])
    assert Processes().parse(ask(), None)["meta-chat-api"].pid == 4711


@pytest.mark.parametrize("size", [0, 1, 3, 5, 6, -1])
def test_a_frame_cut_short_is_no_answer(daemon, ask, size):
    daemon(getMonitorData=[b"".join(said([entry()]))[:size]])
    with pytest.raises(CommandError, match="closed the connection at getMonitorData"):
        Processes().parse(ask(), None)


def test_many_processes_with_long_settings_are_read(told):
    settings = {f"VARIABLE_{number}": "x" * 80 for number in range(200)}
    found = told(*(entry(f"worker-{number}", **settings, args=[str(number)]) for number in range(200)))
    assert len(found.processes) == 200
    assert found.unsaved == []


def test_instances_of_a_cluster_and_modules_are_told_apart(told):
    instances = [entry(exec_mode="cluster_mode"), entry(exec_mode="cluster_mode", status="errored")]
    found = told(*instances, entry("pm2-logrotate", pmx_module=True))
    assert (found["meta-chat-api"].status, found["pm2-logrotate"].module) == ("errored", True)
    assert (found["meta-chat-api"].module, found.unsaved) == (False, [])


@pytest.mark.parametrize(
    ("running", "saved", "same"),
    [
        (["--a", "b"], ["--a", "b"], True),
        (["--a", "b"], "--a b", True),
        (["--a", "b"], ["--a", "c"], False),
        (["żółw", '"'], ["żółw", '"'], True),
        ([], None, True),
        ([], "", True),
        ([], ["x"], False),
        ([0, 1.5], [0, 1.5], True),
    ],
)
def test_arguments_are_compared_without_being_told(told, running, saved, same):
    found = told(entry(args=running), saved=[entry(args=saved)])
    assert (found.unsaved == []) is same


@pytest.mark.parametrize("key", ["pm_cwd", "exec_mode", "pm_exec_path", "status", "restart_time", "pm_uptime"])
def test_what_the_daemon_does_not_tell_is_not_made_up(daemon, ask, key):
    short = entry()
    del short["pm2_env"][key]
    daemon(getMonitorData=said([short]))
    with pytest.raises(KeyError):
        Processes().parse(ask(), None)


def test_the_daemon_was_born_when_it_wrote_its_number(daemon, home, ask):
    os.utime(home / "pm2.pid", (1795472243.75, 1795472243.75))
    daemon()
    assert Processes().parse(ask(), None)["meta-chat-api"].restarts.born == 1795472243


def test_a_daemon_without_its_number_is_no_answer(daemon, home, ask):
    (home / "pm2.pid").unlink()
    daemon()
    with pytest.raises(CommandError, match=r"pm2\.pid: No such file"):
        Processes().parse(ask(), None)


def test_no_saved_list_is_null(home, ask):
    (home / "dump.pm2").unlink()
    assert Processes().parse(ask(), None).saved is None


@pytest.mark.parametrize("name", ["dump.pm2", "rpc.sock"])
def test_what_is_no_file_or_socket_is_no_answer(home, ask, name):
    (home / name).unlink(missing_ok=True)
    (home / name).mkdir()
    try:
        answer = ask()
        assert (answer.status, len(answer.stderr.splitlines())) == ((1, 1) if name == "dump.pm2" else (0, 0))
    finally:
        (home / name).rmdir()


def test_the_tool_may_lie_behind_several_links(home, ask):
    (home / "current").symlink_to("pm2")
    (home / "bin" / "pm2").unlink()
    (home / "bin" / "pm2").symlink_to("pm2-7")
    (home / "bin" / "pm2-7").symlink_to("../current/bin/pm2")
    assert Processes().parse(ask(), None).tool_version == "7.0.4"


def test_the_search_path_and_the_home_may_be_relative(home, monkeypatch):
    monkeypatch.chdir(home.parent)
    places = {"path": [f"{home.name}/bin"], "pm2": {"home": home.name}}
    host = Host.model_validate({"transport": "local://", **places}).placed("vps", ())
    answer = run(host, (Processes().command(host),))[0]
    assert Processes().parse(answer, None).tool_version == "7.0.4"


@pytest.mark.parametrize("text", [None, "", "{", "[]", "{}"])
def test_a_tool_without_a_version_is_no_answer(home, ask, text):
    package = home / "pm2" / "package.json"
    package.unlink() if text is None else package.write_text(text)
    with pytest.raises((CommandError, KeyError)):
        Processes().parse(ask(), None)


def test_the_program_loads_nothing_but_pragmas(production):
    (host,) = production.hosts.values()
    script = Processes().command(host).argv[2]
    assert re.findall(r"^\s*(?:use|require)\s+(\w+)", script, re.MULTILINE) == ["strict", "warnings"]
