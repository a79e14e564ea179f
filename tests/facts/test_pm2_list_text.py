"""JSON handling of the Perl program for PM2's list must match a JSON library."""

import json
import os
import re

import pytest

from opsproof.core.errors import CommandError
from opsproof.facts.processes import Processes
from opsproof.inventory.hosts import Host
from opsproof.transport.shell import run
from tests.facts.pm2 import daemon_answer, entry, frame


@pytest.mark.parametrize(
    "name", ["żółw 🐢", 'say "hi"', "back\\slash\\", "tab\tline\nend", "\u2028", "[{,:}]", "", "\x7f"]
)
def test_names_are_printed_unchanged(read_processes, name):
    found = read_processes(entry(name))
    assert found[name].status == "online"
    assert found.unsaved == []


@pytest.mark.parametrize("text", [r"\u0022}],\\", r"\ud83d\udc22", "🐢", r"\/\b\f"])
def test_escaped_quotes_do_not_end_a_string(daemon, home, ask_pm2, text):
    whole = json.dumps({"args": [[entry("NAME")]]}, ensure_ascii=False).replace("NAME", text)
    daemon(getMonitorData=[frame("j:" + whole)])
    assert Processes().parse(ask_pm2(), None)[json.loads(f'"{text}"')].pid == 4711


@pytest.mark.parametrize(
    "value", [[[[]]], {"a": {"b": [{}, [1, {"status": "errored"}]]}}, -1.5e-7, None, [], {}, "x" * 99999]
)
def test_other_settings_are_ignored(read_processes, value):
    found = read_processes(entry(first=value, status="online", last=value))
    assert (found["meta-chat-api"].status, found.unsaved) == ("online", [])


@pytest.mark.parametrize(
    "text",
    ["[" * 40_000 + "]" * 40_000, '{"a":' * 40_000 + "1" + "}" * 40_000, '"' + r"\n" * 150_000 + '"',
     "[" + "1," * 200_000 + "1]", "[" + "[]," * 40_000 + "[]]"],
    ids=["lists", "objects", "escapes", "numbers", "empty lists"],
)  # fmt: skip
def test_deep_and_long_settings_are_parsed(daemon, home, ask_pm2, text):
    whole = json.dumps({"args": [[entry(other="VALUE")]]}).replace('"VALUE"', text)
    daemon(getMonitorData=[frame("j:" + whole)])
    answer = ask_pm2()
    assert (Processes().parse(answer, None)["meta-chat-api"].status, answer.stderr) == ("online", "")


@pytest.mark.parametrize(
    "text",
    ["[1,]", "[,1]", "[1 2]", "[", "]", "[}", '{"a":[}]', '{"a":1,}', '{"a"}', '{"a":}', "{1:2}", '{,"a":1}', "01",
     "1.", ".5", "+1", "-", "1e", "0x1", "tru", "nulll", "NaN", "undefined", "'a'", '"a', r'"\x41"', r'"\u12g4"',
     '"a\tb"',
     "\ufeff[]", "[] []", "[];", "\v[]", "[" * 100_000, "[[]", "{}}", '{"a" 1}', '{"a":1 "b":2}', "\x00"],
)  # fmt: skip
def test_invalid_json_is_an_error(home, ask_pm2, text):
    for whole in (text, f'[{{"other":{text}}}]'):
        (home / "dump.pm2").write_text(whole)
        with pytest.raises(CommandError, match=r"the saved list dump\.pm2 is not JSON"):
            Processes().parse(ask_pm2(), None)


def test_answer_may_arrive_in_small_pieces(daemon, ask_pm2):
    whole = b"".join(daemon_answer([entry()]))
    daemon(getMonitorData=[whole[at : at + 1] for at in range(len(whole))])
    assert Processes().parse(ask_pm2(), None)["meta-chat-api"].pid == 4711


@pytest.mark.parametrize("size", [0, 1, 3, 5, 6, -1])
def test_truncated_frame_is_an_error(daemon, ask_pm2, size):
    daemon(getMonitorData=[b"".join(daemon_answer([entry()]))[:size]])
    with pytest.raises(CommandError, match="closed the connection at getMonitorData"):
        Processes().parse(ask_pm2(), None)


def test_many_processes_with_long_settings_are_parsed(read_processes):
    settings = {f"VARIABLE_{number}": "x" * 80 for number in range(200)}
    found = read_processes(*(entry(f"worker-{number}", **settings, args=[str(number)]) for number in range(200)))
    assert len(found.processes) == 200
    assert found.unsaved == []


def test_cluster_instances_and_modules_are_distinguished(read_processes):
    instances = [entry(exec_mode="cluster_mode"), entry(exec_mode="cluster_mode", status="errored")]
    found = read_processes(*instances, entry("pm2-logrotate", pmx_module=True))
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
def test_arguments_are_compared_without_being_printed(read_processes, running, saved, same):
    found = read_processes(entry(args=running), saved=[entry(args=saved)])
    assert (found.unsaved == []) is same


@pytest.mark.parametrize("key", ["pm_cwd", "exec_mode", "pm_exec_path", "status", "restart_time", "pm_uptime"])
def test_missing_daemon_field_is_not_invented(daemon, ask_pm2, key):
    short = entry()
    del short["pm2_env"][key]
    daemon(getMonitorData=daemon_answer([short]))
    with pytest.raises(KeyError):
        Processes().parse(ask_pm2(), None)


def test_daemon_start_is_time_of_pid_file(daemon, home, ask_pm2):
    os.utime(home / "pm2.pid", (1795472243.75, 1795472243.75))
    daemon()
    assert Processes().parse(ask_pm2(), None)["meta-chat-api"].restarts.born == 1795472243


def test_daemon_without_pid_file_is_an_error(daemon, home, ask_pm2):
    (home / "pm2.pid").unlink()
    daemon()
    with pytest.raises(CommandError, match=r"pm2\.pid: No such file"):
        Processes().parse(ask_pm2(), None)


def test_missing_saved_list_is_null(home, ask_pm2):
    (home / "dump.pm2").unlink()
    assert Processes().parse(ask_pm2(), None).saved is None


@pytest.mark.parametrize("name", ["dump.pm2", "rpc.sock"])
def test_unreadable_file_or_socket_is_an_error(home, ask_pm2, name):
    (home / name).unlink(missing_ok=True)
    (home / name).mkdir()
    try:
        answer = ask_pm2()
        assert (answer.status, len(answer.stderr.splitlines())) == ((1, 1) if name == "dump.pm2" else (0, 0))
    finally:
        (home / name).rmdir()


def test_pm2_command_may_be_a_chain_of_links(home, ask_pm2):
    (home / "current").symlink_to("pm2")
    (home / "bin" / "pm2").unlink()
    (home / "bin" / "pm2").symlink_to("pm2-7")
    (home / "bin" / "pm2-7").symlink_to("../current/bin/pm2")
    assert Processes().parse(ask_pm2(), None).tool_version == "7.0.4"


def test_search_path_and_home_may_be_relative(home, monkeypatch):
    monkeypatch.chdir(home.parent)
    places = {"path": [f"{home.name}/bin"], "pm2": {"home": home.name}}
    host = Host.model_validate({"transport": "local://", **places}).placed("vps", ())
    answer = run(host, (Processes().command(host),))[0]
    assert Processes().parse(answer, None).tool_version == "7.0.4"


@pytest.mark.parametrize("text", [None, "", "{", "[]", "{}"])
def test_pm2_without_version_is_an_error(home, ask_pm2, text):
    package = home / "pm2" / "package.json"
    package.unlink() if text is None else package.write_text(text)
    with pytest.raises((CommandError, KeyError)):
        Processes().parse(ask_pm2(), None)


def test_program_loads_only_pragmas(production):
    (host,) = production.hosts.values()
    script = Processes().command(host).argv[2]
    assert re.findall(r"^\s*(?:use|require)\s+(\w+)", script, re.MULTILINE) == ["strict", "warnings"]
