"""One action at a time on a host, however the last one ended."""

import getpass
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from opsproof.core import scripts
from opsproof.core.errors import HostUnreachable, Refused
from opsproof.inventory.hosts import Host
from opsproof.transport import shell
from opsproof.transport.shell import Command, argv


def whoami(action: str) -> str:
    """Who runs `action`, for those who find the host held."""
    now = time.strftime("%Y-%m-%d %H:%M:%S %Z")
    return f"{action}, process {os.getpid()} of {getpass.getuser()} on {socket.gethostname()}, since {now}"


@contextmanager
def held(host: Host, who: str) -> Iterator[None]:
    """Keeps other actions from `host`; ends with this process or its connection, whatever happens.

    Raises:
        Refused: another action works there; says whose.
        HostUnreachable: the host gave no answer.
    """
    with shell.attended(host, argv("perl", "-e", scripts.perl("action/hold"), "hold", who)) as said:
        if said.startswith("busy "):
            raise Refused(f"{host.name} is held by {said.removeprefix('busy ')}: try again when that is done")
        if said != "held":
            raise HostUnreachable(f"{host.name} cannot be held: it says {said[:80]!r}")
        yield


def stepwise(command: Command) -> Command:
    """`command`, keeping other actions out for as long as it runs."""
    return replace(command, argv=("perl", "-e", scripts.perl("action/hold"), "step", *command.argv))
