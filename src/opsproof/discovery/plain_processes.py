"""Processes outside of PM2, containers and units of systemd, for an inventory."""

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from opsproof.core.errors import MeasurementError
from opsproof.discovery.looking import described, text
from opsproof.discovery.sight import Entry, Sight, Unseen
from opsproof.discovery.toml import Value
from opsproof.transport.shell import Answer

_SUFFIX = re.compile(r"\.(?:py|pl|rb|js|mjs|cjs|ts|php|jar|sh)$")


@dataclass
class _Found:
    """The processes of a command line, a user and a PID file."""

    starter: str
    instances: int = 0
    ports: set[int] = field(default_factory=set)


def processes(answer: Answer) -> Sight:
    """The processes, each to confirm: a process may be a daemon or a job. Unseen if /proc hides them."""
    try:
        lines = described(answer).get("plain", [])
    except MeasurementError as error:
        return Sight(unseen=[Unseen(f"processes without a unit: {error}", "processes with command or pidfile")])
    found: dict[tuple[str, str, str], _Found] = {}
    for line in lines:
        digits, ports = line.split(" ")[:4], line.split(" ")[4:]
        pattern, user, starter, pidfile = map(text, digits)
        each = found.setdefault((pattern, user, pidfile), _Found(starter))
        each.instances += 1
        each.ports.update(map(int, ports))
    sight = Sight()
    for (pattern, user, pidfile), each in found.items():
        name = _name(pattern, user, {known.name for known in sight.entries})
        sight.entries.append(_entry(name, each, {"command": pattern, "pidfile": pidfile, "user": user}))
    return sight


def _entry(name: str, found: _Found, texts: dict[str, str]) -> Entry:
    fields: dict[str, Value] = {key: each for key, each in texts.items() if each}
    fields |= {"instances": found.instances} if found.instances > 1 else {}
    fields |= {"listens": sorted(found.ports)} if found.ports else {}
    doubt = f"has no unit of its own, {found.starter} started it: remove a job that ends"
    doubt += "" if found.ports else "; add the ports in listens, if any"
    return Entry("processes", name, fields, doubt)


def _name(pattern: str, user: str, taken: set[str]) -> str:
    """The name of the script or program; if it is taken, with the user, or the whole pattern."""
    *_, last = pattern.removesuffix(" *").split(" ")
    name = _SUFFIX.sub("", PurePosixPath(last).name)
    return next((each for each in (name, f"{name}-{user}") if each not in taken), pattern)
