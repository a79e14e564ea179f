"""Listening ports, and services known by program or port."""

import ipaddress
from collections.abc import Collection, Mapping, Sequence

from opsproof.core.errors import MeasurementError
from opsproof.discovery.sight import Entry, Sight, Unseen
from opsproof.facts.listeners import Listener, listening
from opsproof.transport.shell import Answer

SERVICES = {
    22: "sshd",
    25: "SMTP",
    53: "DNS",
    111: "rpcbind",
    3306: "MySQL",
    4369: "epmd",
    5432: "PostgreSQL",
    5672: "AMQP",
    6379: "Redis",
    11211: "memcached",
    15672: "RabbitMQ",
    25672: "AMQP",
    27017: "MongoDB",
}
"""Services by their usual port; none but RabbitMQ's management is asked over HTTP."""
PROGRAMS = {"sshd": "sshd", "postgres": "PostgreSQL", "redis-server": "Redis", "valkey-server": "Redis"}


def sockets(answer: Answer, found: Mapping[str, list[str]]) -> list[Listener]:
    """The listening sockets by ss, else by look.pl, without programs."""
    try:
        return list(listening(answer).sockets)
    except MeasurementError:
        pairs = [each.split() for each in found.get("port", [])]
        return [Listener(_address(digits), int(port)) for digits, port in pairs]


def _address(digits: str) -> str:
    """The address in the hexadecimal form of /proc/net/tcp, in words of the host's byte order."""
    words = (bytes.fromhex(digits[start : start + 8])[::-1] for start in range(0, len(digits), 8))
    address = ipaddress.ip_address(b"".join(words))
    return str(getattr(address, "ipv4_mapped", None) or address)


def service(port: int, listeners: Sequence[Listener]) -> str:
    """The service at a port, by its program, else by the usual port; empty if unknown."""
    programs = {name for each in listeners if each.port == port for name in each.programs}
    return next((PROGRAMS[name] for name in sorted(programs) if name in PROGRAMS), SERVICES.get(port, ""))


def place(port: int, listeners: Sequence[Listener]) -> str:
    """An address of the listening port: of the loopback interface, if possible."""
    addresses = {each.address for each in listeners if each.port == port}
    every = addresses & {"*", "0.0.0.0", "127.0.0.1"}  # noqa: S104  compared, not bound
    if every or not addresses:
        return "127.0.0.1"
    return "::1" if "::" in addresses else min(addresses)


def services(listeners: Sequence[Listener], databases: Collection[str] = ()) -> Sight:
    """The ssh server, and the databases, unseen without a role; `databases` are ports whose database is given."""
    sight = Sight()
    for port in sorted({each.port for each in listeners}):
        known = service(port, listeners)
        if known == "sshd":
            sight.entries.append(Entry("sshd", "", {} if port == 22 else {"port": port}))
        elif known == "PostgreSQL":
            way = f'--dsn="host={place(port, listeners)} port={port} dbname=NAME user=opsproof_monitor"'
            rest = "other databases" if str(port) in databases else "databases"
            sight.unseen.append(Unseen(f"{rest} of PostgreSQL on port {port} without a --dsn", way))
        elif known and known not in ("Redis", "RabbitMQ"):
            sight.remarks.append(f"{known} on port {port}: not checked")
    return sight


def reachable(answer: Answer) -> Sight:
    """The ports listening beyond loopback, each to confirm; unseen without ss."""
    if answer.status != 0:
        return Sight(unseen=[Unseen("ports that other machines can reach", "sudo apt-get install iproute2")])
    ports = sorted({each.port for each in listening(answer).sockets if not each.is_local})
    doubt = "other machines can reach the port"
    named = [(f"{SERVICES.get(each, 'port').lower()}-{each}", each) for each in ports]
    return Sight([Entry("listening", ""), *(Entry("ports", name, {"port": each}, doubt) for name, each in named)])
