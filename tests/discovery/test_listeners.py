"""Listening ports by ss or /proc, and the services that are known by program or port."""

import pytest

from opsproof.discovery import listeners
from opsproof.discovery.sight import Entry
from opsproof.facts.listeners import Listener
from opsproof.transport.shell import Answer

NO_SS = Answer(127, "", "ss: not found")


@pytest.mark.parametrize(
    ("digits", "address", "place"),
    [
        ("0100007F", "127.0.0.1", "127.0.0.1"),
        ("00000000", "0.0.0.0", "127.0.0.1"),
        ("0A00000A", "10.0.0.10", "10.0.0.10"),
        ("00000000000000000000000001000000", "::1", "::1"),
        ("00000000000000000000000000000000", "::", "::1"),
        ("0000000000000000FFFF00000100007F", "127.0.0.1", "127.0.0.1"),
    ],
)
def test_addresses_of_proc_are_read(digits, address, place):
    (listener,) = listeners.sockets(NO_SS, {"port": [f"{digits} 8080"]})
    assert listener == Listener(address, 8080)
    assert listeners.place(8080, [listener]) == place


def test_program_names_a_service_at_an_unusual_port():
    found = [Listener("*", 2222, frozenset({"sshd"})), Listener("127.0.0.1", 6380, frozenset({"redis-server"}))]
    found += [Listener("127.0.0.1", 45432, frozenset({"postgres"})), Listener("*", 25), Listener("*", 8080)]
    assert [listeners.service(each.port, found) for each in found] == ["sshd", "Redis", "PostgreSQL", "SMTP", ""]
    sight = listeners.services(found)
    assert sight.entries == [Entry("sshd", "", {"port": 2222})]
    assert sight.remarks == ["SMTP on port 25: not checked"]
    (unseen,) = sight.unseen
    assert unseen.what == "databases of PostgreSQL on port 45432 without a --dsn"
    assert unseen.way == '--dsn="host=127.0.0.1 port=45432 dbname=NAME user=opsproof_monitor"'


def test_reachable_ports_are_to_confirm(recorded):
    sight = listeners.reachable(recorded("ss_listening.txt"))
    doubt = "other machines can reach the port"
    assert sight.entries == [
        Entry("listening", ""),
        Entry("ports", "sshd-22", {"port": 22}, doubt),
        Entry("ports", "port-80", {"port": 80}, doubt),
        Entry("ports", "port-443", {"port": 443}, doubt),
    ]
    (unseen,) = listeners.reachable(NO_SS).unseen
    assert unseen.way == "sudo apt-get install iproute2"
