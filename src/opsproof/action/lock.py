"""A lock on a host: one action at a time, released however the action ends."""

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
    """The holder of the lock, for messages of concurrent actions."""
    now = time.strftime("%Y-%m-%d %H:%M:%S %Z")
    return f"{action}, process {os.getpid()} of {getpass.getuser()} on {socket.gethostname()}, since {now}"


@contextmanager
def held(host: Host, who: str) -> Iterator[None]:
    """Locks `host` within the context. The lock ends with this process or with the connection.

    Raises:
        Refused: another action holds the lock; the message names the holder.
        HostUnreachable: the host did not answer.
    """
    with shell.attended(host, argv("perl", "-e", scripts.perl("action/hold"), "hold", who)) as said:
        if said.startswith("busy "):
            raise Refused(f"{host.name} is locked, held by {said.removeprefix('busy ')}: try again later")
        if said != "held":
            raise HostUnreachable(f"{host.name} cannot be locked: unexpected answer {said[:80]!r}")
        yield


def stepwise(command: Command) -> Command:
    """The `command`, wrapped so that the lock of the host is held until the command ends."""
    return replace(command, argv=("perl", "-e", scripts.perl("action/hold"), "step", *command.argv))
