"""What Docker says of the declared containers."""

import ipaddress
import json
import math
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from opsproof.core.counters import Counter
from opsproof.core.errors import Absent, MeasurementError
from opsproof.facts.base import ResourceFact
from opsproof.inventory.hosts import Host
from opsproof.inventory.resources import Container
from opsproof.transport.shell import Answer, Command, argv

FIELDS = (
    "name", "created", "restarts", "image", "status", "started", "exit_code", "out_of_memory", "health", "policy",
    "memory", "shared_memory", "network", "log_driver", "log_size", "log_files", "bindings", "ports",
)  # fmt: skip
"""What each line of the answer holds, in JSON."""
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
"""Selects `FIELDS` on the host: environment, labels, commands and the health check's output hold secrets.

The sudoers file of docs/privileges/ permits this template alone, so it has no character that must be
escaped there, and as few spaces as a Go template can have: sudo matches all arguments as one text.
"""
FIRST_START_S = 60
"""A container that starts later than this after it was made has been started before."""
CACHED_LOG_BYTES = 5 * 20 * 10**6
"""Docker's local log driver keeps five files of 20 MB, and so does its cache beside drivers that send logs away.

https://docs.docker.com/engine/logging/dual-logging/
"""
_NO_SUCH = re.compile(r"no such (container|object)", re.IGNORECASE)
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([kmgtp]?)i?b?", re.IGNORECASE)
_UNLIMITED = ("", "0", "-1")


@dataclass(frozen=True)
class ContainerState:
    """One container; sizes in bytes.

    `memory_bytes` is 0 where its memory is not limited, and `log_bytes` infinite where its log on this
    host is not. `restarts` counts what the restart policy did; a start by hand shows only in its `grew`.
    `out_of_memory` is of the last life, and Docker misses some kills: the kernel's own counter
    (`OomKills`) does not. `exposed` names each port that other machines reach.
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
        """Docker's word for what the health check says; "none" where there is no health check.

        Raises:
            Absent: it does not run, and Docker keeps the word of its last life.
        """
        if self.status != "running":
            raise Absent(f"{self.name} is {self.status}, so it has no health")
        return self.last_health

    @property
    def pinned(self) -> bool:
        """Whether the image is named by its digest, or by a tag that begins with a version, as 8.2-alpine or pg17."""
        _, _, tag = self.image.rpartition("/")[2].partition(":")
        return "@" in self.image or re.match(r"[a-z]{0,2}\d", tag, re.IGNORECASE) is not None


class Containers(ResourceFact[Container, ContainerState]):
    """State and settings of each declared container, running or not."""

    resource = "container"

    def command(self, host: Host, name: str, resource: Container) -> Command:
        """One inspection for each: docker ps leaves out what is stopped."""
        words = ("docker", "inspect", "--type", "container", "--format", TEMPLATE, "--", name)
        return argv(*words, user=host.docker_as)

    def parse(self, answer: Answer, name: str, resource: Container) -> ContainerState:
        """The state; Docker finds a container by the beginning of its identifier too, which is another one."""
        unknown = Absent(f"{name} is declared, but Docker does not know it")
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
        raise MeasurementError("Docker does not say when the container was made")
    return Counter(
        float(found["restarts"]),
        created,
        now,
        quiet_since=None if found["status"] == "restarting" else started,
        grew=started if started is not None and started - created > FIRST_START_S else None,
        reborn="the container was made anew",
    )


def _time(text: str) -> float | None:
    """Seconds since 1970; None for Docker's zero time, which means never."""
    time = datetime.fromisoformat(text)
    return None if time.year == 1 else time.timestamp()


def _log_bytes(driver: str, size: str, files: str) -> float:
    """The most that Docker itself keeps of the output, by the defaults of its drivers."""
    if driver == "json-file":
        return _size(size) * int(files or 1)
    if driver == "local":
        return _size(size or "20m") * int(files or 5)
    return 0 if driver == "none" else CACHED_LOG_BYTES


def _size(text: str) -> float:
    """Bytes of a size as Docker's log drivers read it: 10m is 10 million."""
    if text in _UNLIMITED:
        return math.inf
    match = _SIZE.fullmatch(text)
    if match is None:
        raise MeasurementError(f"{text!r} is no size of a log")
    return float(match[1]) * 10.0 ** (3 * "kmgtp".find(match[2].lower()) + 3 if match[2] else 0)


def _exposed(network: str, bindings: dict[str, Any], ports: dict[str, Any]) -> tuple[str, ...]:
    """Ports that are not on loopback: as bound where it runs, else as they will be."""
    if network == "host":
        return ("every port, because it is in the host's network",)
    bound = {port: ports.get(port) or bindings.get(port) or [] for port in sorted({*bindings, *ports})}
    each = [(port, binding["HostIp"], binding["HostPort"]) for port in bound for binding in bound[port]]
    return tuple(
        dict.fromkeys(f"{port} as {number or 'any port'} on {_reach(ip)}" for port, ip, number in each if _reach(ip))
    )


def _reach(ip: str) -> str:
    """The address that others reach; empty for loopback."""
    address = ipaddress.ip_address(ip) if ip else None
    if address is None or address.is_unspecified:
        return "every address"
    return "" if address.is_loopback else ip
