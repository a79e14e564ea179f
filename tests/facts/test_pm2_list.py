"""The Perl program that reads PM2's list, against a daemon's socket."""

import json
import shutil
import socket

import pytest

from opsproof.core.errors import CommandError
from opsproof.facts.processes import Processes
from tests.facts.pm2 import daemon_answer, entry, frame


def test_no_secret_leaves_the_host(daemon, ask_pm2):
    daemon()
    answer = ask_pm2()
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
        ('{"JWT_SECRET":"hunter2-jwt"}', "the saved list dump.pm2 has an unknown format"),
        ('["hunter2-jwt"]', "the saved list dump.pm2 has an unknown format"),
        ('[{"name":"api","args":{"JWT_SECRET":"hunter2-jwt"}', "the saved list dump.pm2 is not JSON"),
    ],
)  # fmt: skip
def test_error_about_damaged_list_contains_no_secret(daemon, home, ask_pm2, text, complaint):
    daemon()
    (home / "dump.pm2").write_text(text)
    answer = ask_pm2()
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
        ([frame('j:{"args":[null]}', "s:1")], "the PM2 daemon's list has an unknown format"),
        ([frame('j:{"args":[[{"JWT_SECRET":"hunter2"}]]}', "s:1")], "the PM2 daemon's list has an unknown format"),
        ([frame('j:["hunter2"]', "s:1")], "the PM2 daemon's answer to getMonitorData has an unknown format"),
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
def test_malformed_daemon_answer_is_an_error(daemon, ask_pm2, answers, complaint):
    daemon(getMonitorData=answers)
    answer = ask_pm2()
    assert "hunter2" not in answer.stdout + answer.stderr
    with pytest.raises(CommandError, match=complaint):
        Processes().parse(answer, None)


def test_missing_socket_means_no_daemon(ask_pm2):
    found = Processes().parse(ask_pm2(), None)
    assert (found.version, found.processes) == (None, ())
    assert len(found.saved) == 1


def test_stale_socket_means_no_daemon(home, ask_pm2):
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(home / "rpc.sock"))
    assert Processes().parse(ask_pm2(), None).version is None


def test_query_starts_no_daemon(home, ask_pm2):
    before = sorted(home.iterdir())
    ask_pm2()
    assert sorted(home.iterdir()) == before


def test_missing_home_is_an_error(home, ask_pm2):
    shutil.rmtree(home)
    try:
        with pytest.raises(CommandError, match="No such file or directory"):
            Processes().parse(ask_pm2(), None)
    finally:
        home.mkdir()


def test_missing_pm2_command_is_an_error(home, ask_pm2, monkeypatch):
    (home / "bin" / "pm2").unlink()
    (home / "bin" / "perl").symlink_to(shutil.which("perl"))
    monkeypatch.setenv("PATH", str(home / "bin"))
    with pytest.raises(CommandError, match="pm2 is not in the search path"):
        Processes().parse(ask_pm2(), None)


@pytest.mark.parametrize(
    ("changes", "is_job"),
    [
        ({"autorestart": False, "cron_restart": "0 3 * * *"}, True),
        ({"autorestart": True, "cron_restart": "0 3 * * *"}, False),
        ({"autorestart": False}, False),
        ({"autorestart": False, "cron_restart": 0}, False),
        ({}, False),
    ],
)
def test_cron_without_automatic_restart_makes_a_job(daemon, ask_pm2, changes, is_job):
    daemon(getMonitorData=daemon_answer([entry(status="stopped", exit_code=0, **changes)]))
    process = Processes().parse(ask_pm2(), None)["meta-chat-api"]
    assert (process.is_job, process.status) == (is_job, "finished" if is_job else "stopped")
