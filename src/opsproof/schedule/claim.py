"""The claim: a file on the host with the name of the machine that runs its schedule."""

import getpass
import socket

from opsproof.core import scripts
from opsproof.core.errors import OutputError
from opsproof.inventory.hosts import Host
from opsproof.schedule.invocation import declared
from opsproof.transport.shell import Answer, Command, argv

HOST = "the host itself"
"""The claim of a schedule with `on = "host"`."""


def claimant(host: Host) -> str:
    """Who claims a host here: the user and the machine, or the host itself."""
    return HOST if declared(host).on == "host" else f"{getpass.getuser()}@{socket.gethostname()}"


def command(host: Host, mode: str) -> Command:
    """The command that shows, takes (`take`, or `over` another) or drops the claim."""
    return argv("perl", "-e", scripts.perl("schedule/claim"), declared(host).claim, mode, claimant(host))


def parse(answer: Answer) -> str:
    """Who has the claim; empty without a claim.

    Raises:
        MeasurementError: the claim cannot be read or written.
    """
    said = answer.require("perl").stdout
    if said == "none\n":
        return ""
    if not said.startswith("by "):
        raise OutputError(f"unexpected answer about the claim: {said[:80]!r}")
    return said.removeprefix("by ").rstrip("\n")
