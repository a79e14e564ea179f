"""The services of the host's own system: units of systemd, logins over ssh."""

from opsproof.core import scripts
from opsproof.core.errors import Absent, OutputError
from opsproof.facts.base import ResourceFact
from opsproof.inventory.hosts import Host
from opsproof.inventory.resources import Sshd, Systemd
from opsproof.transport.shell import Answer, Command, argv

CONTROL = "init.scope"
"""The unit that always runs where systemd does: a list without it is no list."""


class FailedUnits(ResourceFact[Systemd, tuple[str, ...]]):
    """Names of the units of systemd that have failed."""

    resource = "systemd"

    def command(self, host: Host, name: str, resource: Systemd) -> Command:
        """Lists what runs too, so that silence cannot be read as an answer."""
        return argv("systemctl", "list-units", "--plain", "--no-legend", "--full", "--state=failed,running")

    def parse(self, answer: Answer, name: str, resource: Systemd) -> tuple[str, ...]:
        """Columns are unit, whether loaded, active state, finer state, description."""
        lines = [line.split(maxsplit=4) for line in answer.require("systemctl").stdout.splitlines()]
        states = {unit: active for unit, _, active, *_ in lines}
        if states.get(CONTROL) != "active":
            raise OutputError(f"systemctl did not list {CONTROL}")
        return tuple(unit for unit, active in states.items() if active == "failed")


class SshGreetings(ResourceFact[Sshd, str]):
    """What the ssh server says to a new connection from the host itself: its protocol and version."""

    resource = "sshd"

    def command(self, host: Host, name: str, resource: Sshd) -> Command:
        """A greeting and no login: it costs the server one connection and needs no key."""
        return argv("perl", "-e", scripts.perl("facts/ssh_greeting"), "--", resource.address, str(resource.port))

    def parse(self, answer: Answer, name: str, resource: Sshd) -> str:
        """The greeting; a server that has none is absent."""
        said, _, rest = answer.require("the ssh probe").stdout.rstrip("\n").partition(" ")
        if said == "greeting" and rest.startswith("SSH-"):
            return rest
        if said != "absent" or not rest:
            raise OutputError(f"the ssh probe says {answer.stdout[:80]!r}")
        raise Absent(f"no login on port {resource.port}: {rest}")
