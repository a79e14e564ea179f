"""Listening TCP ports of the host, with their programs."""

import ipaddress
import re
from dataclasses import dataclass, replace

from opsproof.core.errors import Absent, CommandError, OutputError
from opsproof.facts.base import ShellFact
from opsproof.inventory.hosts import Host
from opsproof.inventory.ports import Port
from opsproof.transport.shell import Answer, Command, argv

SOCKETS = argv("ss", "--listening", "--tcp", "--numeric", "--processes")
"""The command that lists listening TCP sockets."""
COMM_LENGTH = 15
"""The kernel keeps so many characters of the name of a process."""
_ALL = {4: {"*", "0.0.0.0"}, 6: {"*", "::"}}  # noqa: S104  compared, not bound
"""The spellings of ss for all addresses, by version of IP; ``*`` is both."""
_LINE = re.compile(r"LISTEN +\d+ +\d+ +(?P<address>\S+):(?P<port>\d+) +\S+(?P<users> +users:\(.*\))?")
_PROGRAM = re.compile(r'\("((?:[^"\\]|\\.)*)",pid=')


@dataclass(frozen=True)
class Listener:
    """A listening socket; `address` is ``*`` for all addresses. Without the right to see processes, no `programs`."""

    address: str
    port: int
    programs: frozenset[str] = frozenset()

    @property
    def is_local(self) -> bool:
        """Whether only processes of the host can connect."""
        return self.address != "*" and ipaddress.ip_address(self.address).is_loopback

    def answers(self, declared: Port) -> bool:
        """Whether the socket takes the connections of a declared port."""
        if self.port != declared.port or not declared.address:
            return self.port == declared.port
        return self.address in {_known(declared.address), *_ALL[ipaddress.ip_address(declared.address).version]}

    def is_declared(self, declared: Port) -> bool:
        """Whether the declaration allows the address of the socket."""
        everywhere = {"", "0.0.0.0", "::"}  # noqa: S104  compared, not bound
        return self.port == declared.port and (
            declared.address in everywhere or _known(declared.address) == self.address
        )

    def __str__(self) -> str:
        """Address, port and programs."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{host}:{self.port} {', '.join(sorted(self.programs))}".rstrip()


@dataclass(frozen=True)
class ListeningPorts:
    """All listening sockets of the host."""

    sockets: tuple[Listener, ...]

    def require(self, declared: Port) -> None:
        """Checks that a declared port listens, by its program.

        Raises:
            Absent: no socket listens, or one of another program.
            CommandError: the program is not visible to the login.
        """
        found = [each for each in self.sockets if each.answers(declared)]
        where = f"{declared.address or 'any address'} port {declared.port}"
        if not found:
            others = ", ".join(str(each) for each in self.sockets if each.port == declared.port)
            raise Absent(f"nothing listens at {where}" + (f"; listening: {others}" if others else ""))
        programs = frozenset[str]().union(*(each.programs for each in found))
        if declared.program and not programs:
            raise CommandError(f'the program at {where} is not visible: set run_as = "root" in listening')
        if declared.program and declared.program[:COMM_LENGTH] not in programs:
            raise Absent(f"{', '.join(sorted(programs))} listens at {where}, not {declared.program}")

    def undeclared(self, ports: list[Port]) -> list[str]:
        """The sockets beyond loopback that no declaration allows, a line each."""
        reachable = [each for each in self.sockets if not each.is_local]
        return [str(each) for each in reachable if not any(each.is_declared(port) for port in ports)]


def _known(address: str) -> str:
    """The address in its usual spelling; IPv4 in place of a mapped address of IPv6."""
    if address == "*":
        return address
    parsed = ipaddress.ip_address(address)
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)


class Listeners(ShellFact[ListeningPorts]):
    """Listening TCP sockets; those of containers with an own network are seen by their published ports."""

    def command(self, host: Host) -> Command:
        """With the header of ss, so that empty output cannot pass as an answer."""
        return replace(SOCKETS, user=host.listening.run_as if host.listening else "")

    def parse(self, answer: Answer, host: Host) -> ListeningPorts:
        """Sockets of the same address, port and programs count once."""
        return listening(answer)


def listening(answer: Answer) -> ListeningPorts:
    """The sockets in the answer of `SOCKETS`.

    Raises:
        CommandError: ss is missing or failed.
        OutputError: the output cannot be parsed.
    """
    header, *lines = answer.require("ss").stdout.splitlines() or [""]
    if not header.startswith("State"):
        raise OutputError(f"ss printed no header: {header[:80]!r}")
    return ListeningPorts(tuple(dict.fromkeys(map(_listener, lines))))


def _listener(line: str) -> Listener:
    found = _LINE.match(line)
    if found is None:
        raise OutputError(f"unexpected line of ss: {line[:80]!r}")
    address = found["address"].partition("%")[0].strip("[]")
    return Listener(_known(address), int(found["port"]), frozenset(_PROGRAM.findall(found["users"] or "")))
