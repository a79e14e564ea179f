"""Plain processes, from real processes of this machine."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from lab.relay import PROGRAM
from lab.waiting import wait_until
from opsproof.core.counters import Counter
from opsproof.core.errors import Absent, CommandError
from opsproof.facts.plain_processes import PlainProcesses
from opsproof.inventory.hosts import Host
from opsproof.inventory.processes import Process
from opsproof.transport.shell import run

HOST = Host(transport="local://").placed("vps", ())


@pytest.fixture
def started(tmp_path, free_port):
    """Starts relays whose command line ends in a mark of the test."""
    mark, running = f"{tmp_path}/mark", []

    def start(port=free_port, *words):
        command = [*words, sys.executable, "-I", "-S", str(PROGRAM), str(port), mark]
        running.append(subprocess.Popen(command))
        wait_until(lambda: _listens(port), "the relay listens")
        return running[-1].pid

    start.mark, start.port = mark, free_port
    yield start
    for each in running:
        each.kill()
        each.wait()


def _listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def ask(**declared):
    process = Process.model_validate(declared)
    (answer,) = run(HOST, (PlainProcesses().command(HOST, "relay", process),))
    return PlainProcesses().parse(answer, "relay", process)


def test_process_fits_its_command_line(started):
    started()
    state = ask(command=f"*relay.py {started.port} {started.mark}", listens=[started.port])
    assert (state.instances, state.status, state.footprint.processes) == (1, "running", 1)
    assert 0 <= state.uptime_s < 20
    assert 1e6 < state.footprint.memory_bytes < 1e8
    assert (state.footprint.closed, state.footprint.stalled_s) == ((), 0)


def test_children_do_not_count_as_instances(started):
    script = f'"$@" & sleep 1; exec sleep 60 # {started.mark}'
    parent = subprocess.Popen(["sh", "-c", script, "sh", sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        time.sleep(0.2)
        state = ask(command=f"*{started.mark}*")
        assert (state.instances, state.footprint.processes) == (1, 3)
    finally:
        subprocess.run(["pkill", "--parent", str(parent.pid)], check=False)
        parent.kill()
        parent.wait()


def test_two_instances_are_counted(started, tmp_path):
    started()
    started(_free())
    assert ask(command=f"*{started.mark}").instances == 2


def _free():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_pattern_must_fit_the_whole_line_and_the_owner(started):
    started()
    fits = f"*{started.mark}"
    for declared in ({"command": started.mark}, {"command": fits[:-1]}, {"command": fits, "user": "nobody"}):
        with pytest.raises(Absent, match=r"^relay does not run: no process fits its declaration$"):
            ask(**declared)


def test_unknown_owner_is_no_absent_process(started):
    with pytest.raises(CommandError, match="no user is called nemo"):
        ask(command="*", user="nemo")


def test_pid_file_names_the_process(started, tmp_path):
    file = tmp_path / "relay.pid"
    file.write_text(f"{started()}\n/var/lib/second/line\n")
    assert ask(pidfile=str(file), command="*relay.py*").instances == 1


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "{} does not exist"),
        ("", "{} holds no PID"),
        ("garbage\n", "{} holds no PID"),
        ("4194999\n", "no process has the PID of {}"),
        (f"{os.getpid()}\n", "another process has the PID of {}"),
    ],
    ids=["missing", "empty", "garbage", "stale", "reused"],
)
def test_pid_file_without_its_process_is_absent(tmp_path, content, why):
    file = tmp_path / "relay.pid"
    if content is not None:
        file.write_text(content)
    with pytest.raises(Absent) as caught:
        ask(pidfile=str(file), command="*relay.py*")
    assert str(caught.value) == f"relay does not run: {why.format(file)}"


def test_unreadable_pid_file_is_unknown(tmp_path):
    with pytest.raises(CommandError, match=f"{tmp_path} is a directory"):
        ask(pidfile=str(tmp_path))


def test_halted_process_is_stopped(started):
    os.kill(started(), signal.SIGSTOP)
    assert ask(command=f"*{started.mark}").status == "stopped"


def test_closed_port_is_absent(started):
    started()
    state = ask(command=f"*{started.mark}", listens=[started.port, 1])
    with pytest.raises(Absent, match=r"^relay does not listen at port 1$"):
        state.footprint.require_open("relay")


def test_hung_process_with_a_waiting_client_is_frozen(started):
    started()
    with socket.create_connection(("127.0.0.1", started.port)) as first:
        first.sendall(b"hang")
        time.sleep(0.2)
        assert ask(command=f"*{started.mark}", listens=[started.port]).footprint.stalled_s == 0  # no one waits yet
        with socket.create_connection(("127.0.0.1", started.port)):
            assert ask(command=f"*{started.mark}", listens=[started.port]).footprint.stalled_s >= 6


def test_busy_process_with_a_waiting_client_is_not_frozen(tmp_path, free_port):
    script = f"import socket; server = socket.create_server(('127.0.0.1', {free_port}))\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)]) as busy:
        wait_until(lambda: _listens(free_port), "the program listens")
        with socket.create_connection(("127.0.0.1", free_port)):
            found = ask(command=f"*{tmp_path}", listens=[free_port]).footprint
            busy.kill()
    assert (found.stalled_s, found.closed) == (0, ())


@pytest.mark.parametrize(
    ("starts", "restarts"),
    [
        ([], 0),
        ([(0, 0)], 0),
        ([(-900, 0), (0, 5)], 1),
        ([(-900, -800), (-500, -400), (0, 0)], 2),
        ([(-9000, -9000)], 0),
    ],
    ids=["no earlier run", "none", "one", "two", "before the span"],
)
def test_restarts_are_starts_that_rounds_saw(started, starts, restarts):
    started()
    state = ask(command=f"*{started.mark}")
    begun, now = state.start.value, state.start.now
    earlier = [Counter(begun + start, 0.0, now + taken - 1) for start, taken in starts]
    assert state.restarts_since(earlier, 1000.0) == restarts
