import json
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
    assert process.restarts == Counter(
        0, pytest.approx(1795472243.15, abs=0.1), 1795472929.0, said["started_ms"] / 1000
    )
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
        (lambda found: api(found).update(arguments="other"),
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
    """Answers each method that pm2_list.js calls, as the PM2 daemon does."""

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
    """What a real node prints of the home."""

    def ask():
        host = Host.model_validate(
            {"name": "vps", "transport": "local://", "path": [str(home / "bin")], "pm2": {"home": str(home)}}
        )
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
        ('{"JWT_SECRET":"hunter2-jwt"}', "not a function"),
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
        ([frame('j:{"args":[null]}', "s:1")], "Cannot read properties of null"),
    ],
    ids=["closes", "breaks off", "garbage", "refuses", "nothing"],
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
        with pytest.raises(CommandError, match="no such file or directory"):
            Processes().parse(ask(), None)
    finally:
        home.mkdir()


def test_a_tool_that_is_missing_is_no_answer(home, ask, monkeypatch):
    (home / "bin" / "pm2").unlink()
    (home / "bin" / "node").symlink_to(shutil.which("node"))
    (home / "bin" / "perl").symlink_to(shutil.which("perl"))
    monkeypatch.setenv("PATH", str(home / "bin"))
    with pytest.raises(CommandError, match="pm2 is not in the search path"):
        Processes().parse(ask(), None)
