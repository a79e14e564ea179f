"""Which parts of the shop work."""

import socket
from contextlib import suppress
from dataclasses import dataclass, fields

from lab.errors import LabError
from lab.shop.layout import ADDRESS
from lab.shop.machine import Machine
from lab.status import Working

PATIENCE_S = 3
UNITS = ("ssh", "cron", "nginx", "shop", "shop-digest.timer", "postgresql@15-main", "postgresql@15-archive")
_STATES = f"systemctl is-system-running; systemctl is-active {' '.join(UNITS)} | sort -u"
_LISTENING = "ss --listening --tcp --numeric --no-header 'sport = {}'"
# nginx logs an error for each request before the service listens.
_ANSWER = (
    f"{_LISTENING.format(8000)} | grep -q . && "
    "curl --silent --fail --max-time 3 --cacert /etc/shop-ca/ca.crt https://shop.lab.test/health"
)


@dataclass(frozen=True)
class Status(Working):
    """Whether each part of the shop works."""

    system: bool
    units: bool
    ssh: bool
    site: bool
    courier: bool
    labels: bool


NOTHING = Status(*[False] * len(fields(Status)))


def ask(machine: Machine) -> Status:
    """Tests all parts; starts nothing."""
    if not machine.pid:
        return NOTHING
    system, *units = _said(machine, _STATES).split() or [""]
    return Status(
        system=system == "running",
        units=units == ["active"],
        ssh=_greets(),
        site='"ok"' in _said(machine, _ANSWER),
        courier="8025" in _said(machine, _LISTENING.format(8025)),
        labels="8040" in _said(machine, _LISTENING.format(8040)),
    )


def _said(machine: Machine, script: str) -> str:
    with suppress(LabError):
        return machine.run("sh", "-c", f"{script}; true", patience_s=15)
    return ""


def _greets() -> bool:
    with suppress(OSError), socket.create_connection((ADDRESS, 22), timeout=PATIENCE_S) as connection:
        return connection.recv(4) == b"SSH-"
    return False
