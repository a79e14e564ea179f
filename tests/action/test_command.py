"""Actions from command line to exit status, on this machine and over a real sshd."""

import json
import signal
import socket
import subprocess
import sys
import threading

import pytest

from lab.waiting import wait_until
from tests.harness.killing import await_plan, once_free

SCRIPT = '''"""Makes a folder, as an action that tests can watch."""
import sys
from opsproof import action
from opsproof.core.errors import InventoryError, NotRepaired, Refused
from opsproof.transport.shell import argv

class Make(action.Action):
    name = "make"

    @classmethod
    def add_arguments(cls, parser):
        parser.add_argument("folder")
        parser.add_argument("--slow", default="true")
        parser.add_argument("--instead")
        parser.add_argument("--never", action="store_true")
        parser.add_argument("--broken", action="store_true")
        parser.add_argument("--bad", action="store_true")
        parser.add_argument("--undeclared", action="store_true")

    def plan(self):
        if self.options.bad:
            raise NotRepaired("the backup is bad")
        (answer,) = self.work.ask(argv("test", "-d", self.options.folder))
        if answer.require("test", 0, 1).status == 0:
            return []
        script = f'{self.options.slow}; mkdir "$1"'
        words = ("sh", "-c", script, "sh", self.options.instead or self.options.folder)
        return [action.Step(f"make {self.options.folder}", lambda: self.work.do(argv(*words, timeout_s=60), "mkdir"))]

    def guard(self, steps):
        if self.options.never:
            raise Refused("never")
        if self.options.broken:
            raise ZeroDivisionError("of the action's own making")

    def prove(self, steps):
        if self.options.undeclared:
            raise InventoryError("no limit")
        super().prove(steps)

sys.exit(action.main(Make))
'''


@pytest.fixture
def inventory(tmp_path):
    def inventory(transport="local://", path=""):
        file = tmp_path / "inventory.toml"
        file.write_text(f'[hosts.vps]\ntransport = "{transport}"\n{path}')
        return file

    return inventory


@pytest.fixture
def words(tmp_path, inventory):
    script = tmp_path / "make.py"
    script.write_text(SCRIPT)

    def words(*more, transport="local://"):
        options = [f"--inventory={inventory(transport)}", f"--reports={tmp_path / 'reports'}"]
        return [sys.executable, str(script), *options, str(tmp_path / "made"), *more]

    return words


@pytest.fixture
def run(words):
    def run(*more, transport="local://"):
        line = words(*more, transport=transport)
        return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)

    return run


@pytest.fixture
def journal(tmp_path):
    def journal():
        path = tmp_path / "reports" / "journal.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    return journal


def test_plan_is_printed_and_nothing_is_changed(run, journal, tmp_path):
    done = run()
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "plan of make on vps:",
        f"  1. make {tmp_path}/made",
        "make: nothing was changed: give --apply to run the plan",
    ]
    assert not (tmp_path / "made").exists()
    assert journal() == []


@pytest.mark.parametrize("transport", ["local", "ssh"])
def test_applied_plan_leaves_nothing_to_do(run, journal, tmp_path, sshd, transport):
    where = sshd if transport == "ssh" else "local://"
    done = run("--apply", transport=where)
    assert (done.returncode, done.stderr) == (0, "")
    assert "make: done and proven in " in done.stdout
    assert (tmp_path / "made").is_dir()
    again = run("--apply", transport=where)
    assert (again.returncode, again.stdout) == (0, "make: nothing to do\n")
    assert [(entry["outcome"], entry["plan"]) for entry in journal()] == [
        ("done", [f"make {tmp_path}/made"]),
        ("nothing to do", []),
    ]


@pytest.mark.parametrize(
    ("more", "end"),
    [
        ("--never", ("never: nothing was changed", 3, "refused")),
        ("--instead=/nowhere/made", ("mkdir ended with status 1: ", 4, "failed")),
        ("--instead={0}/other", ("steps remain after the run: make {0}/made: the steps ran", 5, "not repaired")),
        ("--undeclared", ("the steps ran, but their result cannot be measured: no limit", 5, "not repaired")),
    ],
)
def test_outcome_is_in_status_message_and_journal(run, journal, tmp_path, more, end):
    message, *end = end
    done = run("--apply", more.format(tmp_path))
    assert done.returncode == end[0]
    assert done.stderr.startswith(f"make: {message.format(tmp_path)}")
    (entry,) = journal()
    assert (entry["outcome"], entry["host"], entry["action"]) == (end[1], "vps", "make")
    assert entry["message"] in done.stderr


@pytest.mark.parametrize(
    ("more", "status", "message"),
    [("--never", 3, "never"), ("--bad", 5, "the backup is bad")],
)
def test_plan_refuses_what_apply_refuses(run, journal, more, status, message):
    message = f"make: {message}: nothing was changed\n"
    planned = run(more)
    assert (planned.returncode, planned.stderr, journal()) == (status, message, [])
    applied = run(more, "--apply")
    assert (applied.returncode, applied.stderr, len(journal())) == (status, message, 1)


def test_internal_error_is_in_the_journal_and_prints_a_traceback(run, journal):
    done = run("--apply", "--broken")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert [(entry["outcome"], entry["message"][:17]) for entry in journal()] == [("broken", "ZeroDivisionError")]


def test_first_warnings_are_printed_and_in_the_journal(run, journal):
    warning = 'for i in $(seq 22); do echo "WARNING:  $i" >&2; done'
    done = run("--apply", "--slow", warning)
    expected = [*(f"WARNING:  {number}" for number in range(1, 21)), "2 more warnings"]
    assert [line.strip() for line in done.stdout.splitlines()][3:-1] == expected
    assert journal()[-1]["measured"]["warnings"] == "; ".join(expected)


def test_foreign_lock_holder_cannot_write_control_characters(run):
    with socket.socket(socket.AF_UNIX) as squatter:
        squatter.bind("\0opsproof-hold")
        squatter.listen()
        answering = threading.Thread(target=lambda: squatter.accept()[0].sendall(b"\x1b[2Jnobody\n"), daemon=True)
        answering.start()
        done = run("--apply")
    assert (done.returncode, "\x1b" in done.stderr) == (3, False)
    assert "held by ?[2Jnobody" in done.stderr


@pytest.mark.parametrize("transport", ["local://", "ssh://root@127.0.0.1:1"])
def test_missing_program_is_unknown_and_changes_nothing(run, monkeypatch, tmp_path, transport):
    """perl on the host, ssh on this machine."""
    monkeypatch.setenv("PATH", str(tmp_path))
    for more in ((), ("--apply",)):
        done = run(*more, transport=transport)
        program = "perl" if transport == "local://" else "ssh"
        assert (done.returncode, len(done.stderr.splitlines())) == (6, 1), done.stderr
        assert f"{program}: " in done.stderr


def test_unreachable_host_is_not_changed(run, free_port):
    for more in ((), ("--apply",)):
        done = run(*more, transport=f"ssh://root@127.0.0.1:{free_port}")
        assert done.returncode == 6
        assert "Connection refused: nothing was changed" in done.stderr


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        (("--host=other",), "make: unknown host 'other'; choose vps"),
        (("--inventory=/nowhere",), "actions/make.py: argument --inventory: given twice"),
        (("--instead=",), "actions/make.py: argument --instead: the value is empty (an unset shell variable?)"),
    ],
)
def test_wrong_option_is_a_usage_error(run, journal, more, complaint):
    done = run("--apply", *more)
    assert (done.returncode, done.stderr) == (2, f"{complaint}\n")
    assert journal() == []


def test_missing_inventory_is_a_usage_error(words, journal):
    line = [word.replace("inventory.toml", "nowhere.toml") for word in words("--apply")]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, "nowhere.toml: no such file" in done.stderr, journal()) == (2, True, [])


def test_json_output_is_one_object(run, tmp_path):
    done = run("--apply", "--json")
    said = json.loads(done.stdout)
    assert said.pop("message").startswith("done and proven")
    assert said == {
        "action": "make",
        "host": "vps",
        "plan": [f"make {tmp_path}/made"],
        "warnings": [],
        "outcome": "done",
        "exit": 0,
    }


GATE = 'for n in $(seq 1200); do [ -e "$1.go" ] && break; sleep 0.05; done'
"""Waits for a file, a minute at most."""


@pytest.fixture
def begun(words, tmp_path):
    """An action in the middle of a slow step."""

    def begun(slow, transport="local://"):
        asked = words("--apply", f'--slow=touch "$1.begun"; {slow}', transport=transport)
        process = subprocess.Popen(asked, stdout=subprocess.PIPE, text=True)
        await_plan(process)
        wait_until((tmp_path / "made.begun").exists, "the step begins", 60, process=process)
        return process

    return begun


@pytest.mark.parametrize("transport", ["local", "ssh"])
def test_second_action_is_refused_and_names_the_holder(begun, run, tmp_path, sshd, transport):
    where = sshd if transport == "ssh" else "local://"
    first = begun(GATE, where)
    second = run("--apply", transport=where)
    assert second.returncode == 3
    assert f"vps is locked, held by make, process {first.pid} of " in second.stderr
    (tmp_path / "made.go").touch()
    assert first.wait(timeout=30) == 0


@pytest.mark.parametrize("transport", ["local", "ssh"])
def test_killed_action_keeps_the_lock_until_its_command_ends(begun, run, tmp_path, sshd, transport):
    where = sshd if transport == "ssh" else "local://"
    first = begun(GATE, where)
    first.kill()
    first.wait(timeout=10)
    second = run("--apply", transport=where)
    assert second.returncode == 3
    assert "held by" in second.stderr
    (tmp_path / "made.go").touch()
    assert once_free(lambda: run("--apply", transport=where)).returncode == 0
    assert (tmp_path / "made").is_dir()


def test_interrupted_action_is_recorded_and_releases_the_host(begun, journal, run):
    first = begun("sleep 30")
    first.send_signal(signal.SIGINT)
    assert first.wait(timeout=20) == 4
    assert journal()[0]["outcome"] == "interrupted"
    assert run("--apply").returncode == 0
