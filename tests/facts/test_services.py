import socket
import threading

import pytest

from opsproof.core.errors import Absent, CommandError, OutputError
from opsproof.facts.services import FailedUnits, SshGreetings
from opsproof.inventory.hosts import Host
from opsproof.inventory.resources import Sshd, Systemd
from opsproof.transport.shell import Answer, run

RUNNING = "init.scope loaded active running System and Service Manager\n"
HOST = Host(transport="local://").placed("vps", ())


def units(answer):
    return FailedUnits().parse(answer, "", Systemd())


def test_failed_units_are_named(recorded):
    assert units(recorded("systemctl_units.txt")) == ("systemd-firstboot.service", "docker.socket")


@pytest.mark.parametrize(
    ("text", "failed"),
    [
        (RUNNING, ()),
        (f"{RUNNING}backup.service not-found failed failed backup.service\n", ("backup.service",)),
        (f"{RUNNING}failed.service loaded active running Runs\n", ()),
        (f"{RUNNING}x.service loaded failed failed\n", ("x.service",)),
    ],
    ids=["none", "without its file", "failed by name", "without a description"],
)
def test_active_state_decides_failure(text, failed):
    assert units(Answer(0, text)) == failed


@pytest.mark.parametrize("text", ["", "x.service loaded failed failed X\n", "init.scope loaded inactive dead\n"])
def test_unit_list_without_init_scope_raises(text):
    with pytest.raises(OutputError, match=r"systemctl did not list init\.scope"):
        units(Answer(0, text))


def test_host_without_systemd_raises(recorded):
    with pytest.raises(CommandError, match="systemctl ended with status 1: Failed to connect to bus: Host is down"):
        units(recorded("systemctl_not_booted.txt", 1))


@pytest.fixture
def greet():
    def greet(port):
        resource = Sshd(port=port)
        (answer,) = run(HOST, (SshGreetings().command(HOST, "", resource),))
        return SshGreetings().parse(answer, "", resource)

    return greet


def test_a_real_ssh_server_greets(greet, sshd_server):
    assert greet(sshd_server.port).startswith("SSH-2.0-OpenSSH_")


@pytest.fixture
def server():
    """A port that sends some bytes to a client, then closes or hangs."""
    listener = socket.create_server(("127.0.0.1", 0))
    kept = []

    def serve(greeting, hangs=False):
        def answer():
            line, _ = listener.accept()
            line.sendall(greeting)
            kept.append(line) if hangs else line.close()

        threading.Thread(target=answer).start()
        return listener.getsockname()[1]

    yield serve
    for each in (listener, *kept):
        each.close()


@pytest.mark.parametrize(
    "greeting",
    [b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", b"Welcome\r\nSSH-2.0-OpenSSH_9.2p1\r\n"],
    ids=["at once", "later"],
)
def test_greeting_may_follow_other_lines(greet, server, greeting):
    assert greet(server(greeting)) == "SSH-2.0-OpenSSH_9.2p1"


@pytest.mark.parametrize(
    ("greeting", "complaint"),
    [
        (b"", "connection closed without a greeting"),
        (b"Exceeded MaxStartups\r\n", "unexpected greeting: Exceeded MaxStartups"),
        (b"SSH-2.0-cut", "unexpected greeting: SSH-2.0-cut"),
        (b"\x00\xff" * 9, "connection closed without a greeting"),
        (b"x" * 20000, f"unexpected greeting: {'x' * 80}"),
    ],
    ids=["closed", "too many", "cut short", "binary", "without end"],
)
def test_server_without_greeting_is_absent(greet, server, greeting, complaint):
    port = server(greeting)
    with pytest.raises(Absent) as caught:
        greet(port)
    assert str(caught.value) == f"no SSH login on port {port}: {complaint}"


def test_a_silent_server_is_absent(greet, server):
    with pytest.raises(Absent, match="no greeting from the ssh server within 5 s"):
        greet(server(b"", hangs=True))


def test_a_closed_port_is_absent(greet, free_port):
    with pytest.raises(Absent, match=f"^no SSH login on port {free_port}: connection refused$"):
        greet(free_port)


@pytest.mark.parametrize("text", ["", "greeting\n", "greeting HTTP/1.1\n", "absent\n", "garbage of another tool\n"])
def test_unexpected_probe_output_raises(text):
    with pytest.raises(OutputError, match="unexpected output of the ssh probe"):
        SshGreetings().parse(Answer(0, text), "", Sshd())
