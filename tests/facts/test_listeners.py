"""Listening ports, by recorded output of ss and by real sockets."""

import os
import shutil
import socket
from pathlib import Path

import pytest
from pydantic import ValidationError

from opsproof.core.errors import Absent, CommandError, OutputError
from opsproof.facts.listeners import Listeners
from opsproof.inventory.hosts import Host
from opsproof.inventory.ports import Port
from opsproof.privileges.rules import SudoRule, of_rounds
from opsproof.transport.shell import Answer, run

HOST = Host(transport="local://", listening={}).placed("vps", ())
HEADER = "State  Recv-Q Send-Q Local Address:Port  Peer Address:PortProcess\n"


def listening(*sockets):
    """The fact for sockets as ss writes them, with an optional program each."""
    lines = [
        f"LISTEN 0      4096  {address:>20}  0.0.0.0:*" + (f'    users:(("{program}",pid=7,fd=3))' if program else "")
        for address, _, program in (each.partition(" ") for each in sockets)
    ]
    return Listeners().parse(Answer(0, HEADER + "".join(f"{line}\n" for line in lines)), HOST)


def test_recorded_sockets_are_read(recorded):
    found = Listeners().parse(recorded("ss_listening.txt"), HOST).sockets
    assert [str(each) for each in found] == [
        "0.0.0.0:80 python3",
        "127.0.0.1:5432 python3",
        "[::]:443 python3",
        "[::1]:5432 python3",
        "*:22 python3",
        "127.0.0.1:8080 python3",
    ]
    assert [each.is_local for each in found] == [False, True, False, True, False, True]


@pytest.mark.skipif(not shutil.which("ss"), reason="needs ss")
def test_real_socket_is_listed_with_its_program():
    with socket.create_server(("127.0.0.1", 0)) as server:
        (answer,) = run(HOST, (Listeners().command(HOST),))
        port = server.getsockname()[1]
        (found,) = [each for each in Listeners().parse(answer, HOST).sockets if each.port == port]
    name = Path(f"/proc/{os.getpid()}/comm").read_text(encoding="utf-8").strip()
    assert (found.address, found.programs) == ("127.0.0.1", {name})


@pytest.mark.parametrize(
    ("socket_of", "declared"),
    [
        ("127.0.0.1:5432", {"address": "127.0.0.1"}),
        ("0.0.0.0:5432", {"address": "127.0.0.1"}),
        ("*:5432", {"address": "::1"}),
        ("[::ffff:127.0.0.1]:5432", {"address": "127.0.0.1"}),
        ("10.0.0.7%eth0:5432", {}),
        ("0.0.0.0:5432 postgres", {"program": "postgres"}),
        ("0.0.0.0:5432 docker-proxy-ve", {"program": "docker-proxy-very-long"}),
    ],
)
def test_declared_port_is_found(socket_of, declared):
    if "docker" in socket_of:
        socket_of = socket_of.replace("docker-proxy-ve", "docker-proxy-very-long"[:15])
    listening(socket_of).require(Port(port=5432, **declared))


@pytest.mark.parametrize(
    ("socket_of", "declared", "message"),
    [
        ("127.0.0.1:5433", {}, "nothing listens at any address port 5432$"),
        ("127.0.0.1:5432", {"address": "0.0.0.0"}, r"at 0\.0\.0\.0 port 5432; listening: 127\.0\.0\.1:5432"),
        ("[::]:5432", {"address": "127.0.0.1"}, r"at 127\.0\.0\.1 port 5432; listening: \[::\]:5432"),
        ("0.0.0.0:5432 nc", {"program": "postgres"}, "nc listens at any address port 5432, not postgres"),
    ],
)
def test_closed_port_is_absent(socket_of, declared, message):
    with pytest.raises(Absent, match=message):
        listening(socket_of).require(Port(port=5432, **declared))


def test_invisible_program_is_unknown():
    with pytest.raises(CommandError, match='is not visible: set run_as = "root" in listening'):
        listening("0.0.0.0:443").require(Port(port=443, program="caddy"))


def test_sockets_beyond_loopback_must_be_declared():
    found = listening("127.0.0.1:9", "[::1]:9", "0.0.0.0:5432 postgres", "*:22", "[::]:80", "10.0.0.7:80 nginx")
    assert found.undeclared([]) == ["0.0.0.0:5432 postgres", "*:22", "[::]:80", "10.0.0.7:80 nginx"]
    declared = [Port(port=5432, address="127.0.0.1"), Port(port=22), Port(port=80, address="0.0.0.0")]
    assert found.undeclared(declared) == ["0.0.0.0:5432 postgres"]


@pytest.mark.parametrize("text", ["", "LISTEN 0 1 127.0.0.1:9 0.0.0.0:*\n", HEADER + "garbage\n"])
def test_other_output_is_unreadable(text):
    with pytest.raises((OutputError, ValueError)):
        Listeners().parse(Answer(0, text), HOST)


def test_sudo_permits_the_command_where_declared():
    host = Host(transport="ssh://ops@vps", listening={"run_as": "root"}).placed("vps", ())
    assert of_rounds(host) == [SudoRule("root", "ss --listening --tcp --numeric --processes")]


@pytest.mark.parametrize(
    ("fields", "message"),
    [({"ports": {"ssh": {"port": 22}}}, "add a listening table")],
)
def test_ports_need_listening(fields, message):
    with pytest.raises(ValidationError, match=message):
        Host(transport="local://", **fields)


def test_name_in_place_of_an_address_is_refused():
    with pytest.raises(ValidationError, match="'localhost' is no IP address"):
        Port(port=22, address="localhost")
