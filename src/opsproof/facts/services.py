"""System services of the host: systemd units and SSH logins."""

from opsproof.core import scripts
from opsproof.core.errors import Absent, OutputError
from opsproof.facts.base import ResourceFact
from opsproof.inventory.hosts import Host
from opsproof.inventory.resources import Sshd, Systemd
from opsproof.transport.shell import Answer, Command, argv

CONTROL = "init.scope"
"""A unit that always runs under systemd: proof of a complete list."""


class FailedUnits(ResourceFact[Systemd, tuple[str, ...]]):
    """Names of failed systemd units."""

    resource = "systemd"

    def command(self, host: Host, name: str, resource: Systemd) -> Command:
        """Lists running units too, so that empty output cannot pass as an answer."""
        return argv("systemctl", "list-units", "--plain", "--no-legend", "--full", "--state=failed,running")

    def parse(self, answer: Answer, name: str, resource: Systemd) -> tuple[str, ...]:
        """Columns are unit, load state, active state, substate, description."""
        lines = [line.split(maxsplit=4) for line in answer.require("systemctl").stdout.splitlines()]
        states = {unit: active for unit, _, active, *_ in lines}
        if states.get(CONTROL) != "active":
            raise OutputError(f"systemctl did not list {CONTROL}")
        return tuple(unit for unit, active in states.items() if active == "failed")


class SshGreetings(ResourceFact[Sshd, str]):
    """Greeting of the SSH server on a connection from the host itself: protocol and version."""

    resource = "sshd"

    def command(self, host: Host, name: str, resource: Sshd) -> Command:
        """Reads the greeting without a login: costs one connection, needs no key."""
        return argv("perl", "-e", scripts.perl("facts/ssh_greeting"), "--", resource.address, str(resource.port))

    def parse(self, answer: Answer, name: str, resource: Sshd) -> str:
        """The greeting; a server without greeting is absent."""
        state, _, rest = answer.require("the ssh probe").stdout.rstrip("\n").partition(" ")
        if state == "greeting" and rest.startswith("SSH-"):
            return rest
        if state != "absent" or not rest:
            raise OutputError(f"unexpected output of the ssh probe: {answer.stdout[:80]!r}")
        raise Absent(f"no SSH login on port {resource.port}: {rest}")
