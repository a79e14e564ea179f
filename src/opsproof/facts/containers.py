"""State and settings of declared Docker containers."""

import ipaddress
import json
import math
import re
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from opsproof.core.counters import Counter
from opsproof.core.errors import Absent, MeasurementError, OutputError
from opsproof.facts.base import ResourceFact, ShellFact
from opsproof.inventory.hosts import Host
from opsproof.inventory.resources import Container
from opsproof.transport.shell import Answer, Command, argv

FIELDS = (
    "name", "created", "restarts", "image", "status", "started", "exit_code", "out_of_memory", "health", "policy",
    "memory", "shared_memory", "network", "log_driver", "log_size", "log_files", "bindings", "ports",
)  # fmt: skip
"""Fields of the answer, one JSON value a line."""
TEMPLATE = (
    "{{.Name|json|println}}{{.Created|json|println}}{{.RestartCount|json|println}}{{.Config.Image|json|println}}"
    "{{with.State}}{{.Status|json|println}}{{.StartedAt|json|println}}{{.ExitCode|json|println}}"
    '{{.OOMKilled|json|println}}{{with.Health}}{{.Status|json|println}}{{else}}{{"none"|json|println}}{{end}}{{end}}'
    "{{with.HostConfig}}{{.RestartPolicy.Name|json|println}}{{.Memory|json|println}}{{.ShmSize|json|println}}"
    "{{.NetworkMode|json|println}}"
    '{{with.LogConfig}}{{.Type|json|println}}{{"max-size"|index .Config|json|println}}'
    '{{"max-file"|index .Config|json|println}}{{end}}'
    "{{.PortBindings|json|println}}{{end}}{{.NetworkSettings.Ports|json|println}}"
)
"""Selects `FIELDS` on the host: environment, labels, commands and health check output hold secrets.

The sudoers file of `opsproof privileges` permits only this template. Sudo matches all arguments as one text, so the
template avoids characters that need escaping there, and has as few spaces as a Go template allows.
"""
DRILL_SUFFIX = "-drill"
"""End of the name of a drill's container, which exists for the time of the drill."""
FIRST_START_S = 60
"""A container started later than this after its creation was restarted before."""
CACHED_LOG_BYTES = 5 * 20 * 10**6
"""Docker's local log driver keeps five files of 20 MB; so does the cache of drivers that send logs away.

https://docs.docker.com/engine/logging/dual-logging/
"""
_NO_SUCH = re.compile(r"no such (container|object)", re.IGNORECASE)
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([kmgtp]?)i?b?", re.IGNORECASE)
_UNLIMITED = ("", "0", "-1")


@dataclass(frozen=True)
class ContainerState:
    """One container; sizes in bytes.

    `memory_bytes` is 0 without a memory limit; `log_bytes` is infinite without a log limit on the host.
    `restarts` counts restarts by policy; a manual start shows only in `restarts.grew`. `out_of_memory`
    covers the last run, and Docker misses some kills, unlike the kernel's counter (`OomKills`).
    `exposed` names each port reachable from other machines.
    """

    name: str
    status: str
    last_health: str
    exit_code: int
    out_of_memory: bool
    restarts: Counter
    restart_policy: str
    memory_bytes: int
    shared_memory_bytes: int
    log_driver: str
    log_bytes: float
    image: str
    exposed: tuple[str, ...]

    @property
    def health(self) -> str:
        """Docker's health status; "none" without a health check.

        Raises:
            Absent: the container is not running, so Docker reports a stale status.
        """
        if self.status != "running":
            raise Absent(f"{self.name} is {self.status}: health is unknown")
        return self.last_health

    @property
    def pinned(self) -> bool:
        """Whether the image has a digest, or a tag starting with a version, as 8.2-alpine or pg17."""
        _, _, tag = self.image.rpartition("/")[2].partition(":")
        return "@" in self.image or re.match(r"[a-z]{0,2}\d", tag, re.IGNORECASE) is not None


@dataclass(frozen=True)
class ContainerList:
    """Names of the containers of an engine, and those names that match a pattern without being declared."""

    names: tuple[str, ...]
    undeclared: tuple[str, ...]


class ContainerNames(ShellFact[ContainerList]):
    """All containers of the engine, running or not, except those of restore drills."""

    def command(self, host: Host) -> Command:
        """The sudoers file of `opsproof privileges` permits exactly these words."""
        return argv("docker", "ps", "--all", "--format", "{{json .Names}}", user=host.docker_as)

    def parse(self, answer: Answer, host: Host) -> ContainerList:
        """The names; a slash marks the alias of a link."""
        assert host.docker is not None, "the host has no Docker engine"
        lines = answer.require("docker ps").stdout.splitlines()
        every = [next(each for each in json.loads(line).split(",") if "/" not in each) for line in lines]
        if not every:
            raise OutputError("docker ps lists no container")
        names = tuple(sorted(name for name in every if not name.endswith(DRILL_SUFFIX)))
        ours = [name for name in names if any(fnmatchcase(name, pattern) for pattern in host.docker.names)]
        return ContainerList(names, tuple(name for name in ours if name not in host.containers))


class Containers(ResourceFact[Container, ContainerState]):
    """State and settings of each declared container, running or not."""

    resource = "container"

    def command(self, host: Host, name: str, resource: Container) -> Command:
        """One docker inspect each: docker ps omits stopped containers."""
        words = ("docker", "inspect", "--type", "container", "--format", TEMPLATE, "--", name)
        return argv(*words, user=host.docker_as)

    def parse(self, answer: Answer, name: str, resource: Container) -> ContainerState:
        """The state; Docker also matches a container by ID prefix, so the name is compared."""
        unknown = Absent(f"{name} is declared, but Docker has no such container")
        if answer.status == 1 and _NO_SUCH.search(answer.stderr):
            raise unknown
        lines = answer.require("docker inspect").stdout.split("\n")
        found = dict(zip(FIELDS, map(json.loads, filter(None, lines)), strict=True))
        if found["name"] != f"/{name}":
            raise unknown
        return _state(name, found, answer.now)


def _state(name: str, found: dict[str, Any], now: float) -> ContainerState:
    return ContainerState(
        name=name,
        status=str(found["status"]),
        last_health=str(found["health"]),
        exit_code=int(found["exit_code"]),
        out_of_memory=bool(found["out_of_memory"]),
        restarts=_restarts(found, now),
        restart_policy=str(found["policy"]) or "no",
        memory_bytes=int(found["memory"]),
        shared_memory_bytes=int(found["shared_memory"]),
        log_driver=str(found["log_driver"]),
        log_bytes=_log_bytes(found["log_driver"], found["log_size"], found["log_files"]),
        image=str(found["image"]),
        exposed=_exposed(found["network"], found["bindings"] or {}, found["ports"] or {}),
    )


def _restarts(found: dict[str, Any], now: float) -> Counter:
    created, started = _time(found["created"]), _time(found["started"])
    if created is None:
        raise MeasurementError("docker inspect shows no creation time")
    return Counter(
        float(found["restarts"]),
        created,
        now,
        quiet_since=None if found["status"] == "restarting" else started,
        grew=started if started is not None and started - created > FIRST_START_S else None,
        reborn="the container was recreated",
    )


def _time(text: str) -> float | None:
    """Seconds since 1970; None for Docker's zero time (never)."""
    time = datetime.fromisoformat(text)
    return None if time.year == 1 else time.timestamp()


def _log_bytes(driver: str, size: str, files: str) -> float:
    """Most bytes that Docker keeps of the output, by its drivers' defaults."""
    if driver == "json-file":
        return _size(size) * int(files or 1)
    if driver == "local":
        return _size(size or "20m") * int(files or 5)
    return 0 if driver == "none" else CACHED_LOG_BYTES


def _size(text: str) -> float:
    """Bytes of a size as Docker's log drivers parse sizes: 10m is 10 million."""
    if text in _UNLIMITED:
        return math.inf
    match = _SIZE.fullmatch(text)
    if match is None:
        raise MeasurementError(f"invalid log size {text!r}")
    return float(match[1]) * 10.0 ** (3 * "kmgtp".find(match[2].lower()) + 3 if match[2] else 0)


def _exposed(network: str, bindings: dict[str, Any], ports: dict[str, Any]) -> tuple[str, ...]:
    """Ports not on loopback: as bound for a running container, else as configured."""
    if network == "host":
        return ("all ports (host network)",)
    bound = {port: ports.get(port) or bindings.get(port) or [] for port in sorted({*bindings, *ports})}
    each = [(port, binding["HostIp"], binding["HostPort"]) for port in bound for binding in bound[port]]
    return tuple(
        dict.fromkeys(
            f"{port} as {number or 'random port'} on {_exposed_on(ip)}" for port, ip, number in each if _exposed_on(ip)
        )
    )


def _exposed_on(ip: str) -> str:
    """Address reachable from other machines; empty for loopback."""
    address = ipaddress.ip_address(ip) if ip else None
    if address is None or address.is_unspecified:
        return "all addresses"
    return "" if address.is_loopback else ip
