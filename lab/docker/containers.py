"""The four containers, set up as in production: creation, comparison and removal."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from lab.docker import engine, images
from lab.docker.layout import (
    HOME_LABEL,
    MANAGEMENT_PORT,
    NETWORK,
    OWNER_LABEL,
    POSTGRES,
    POSTGRES_PORT,
    RABBITMQ,
    RABBITMQ_PORT,
    REDIS,
    REDIS_PORT,
    SSH_PORT,
    VPS,
)
from lab.docker.passwords import Passwords

LABEL = ("--label", f"{OWNER_LABEL}=docker")
COMMON = (
    *LABEL,
    f"--network={NETWORK}",
    "--restart=unless-stopped",
    "--log-driver=json-file",
    "--log-opt=max-size=10m",
    "--log-opt=max-file=3",
)
# Needed by systemd as process 1: private temporary file systems, and permission to create child cgroups. The host's
# cgroup view confines systemd to its subtree; a private view of cgroups v1 would let systemd write to the host's root.
SYSTEMD = (
    "--tmpfs=/run:exec",
    "--tmpfs=/run/lock",
    "--tmpfs=/tmp:exec",
    "--cgroupns=host",
    "--volume=/sys/fs/cgroup:/sys/fs/cgroup:rw",
    "--cap-add=SYS_ADMIN",
    "--cap-add=NET_ADMIN",
    "--security-opt=seccomp=unconfined",
    "--security-opt=apparmor=unconfined",
)


@dataclass(frozen=True)
class Container:
    """A container: name, image, data folder, and the arguments of `docker create`."""

    name: str
    image: images.Image
    options: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    data: str | None = None
    common: tuple[str, ...] = COMMON

    @property
    def volume(self) -> str | None:
        """The name of the data volume."""
        return f"{self.name}-data" if self.data else None

    @property
    def aside(self) -> str:
        """The container's name while a replacement has its usual name."""
        return f"aside-{self.name}"

    def create(self, home: str) -> None:
        """Recreates the container with the image's initial data."""
        self.remove()
        if self.volume:
            engine.run("volume", "create", *LABEL, self.volume)
        self.make(home)

    def make(self, home: str) -> None:
        """Creates the container on the existing data volume."""
        options = [*self.common, "--label", f"{HOME_LABEL}={home}", f"--name={self.name}", f"--hostname={self.name}"]
        if self.volume:
            options.append(f"--volume={self.volume}:{self.data}")
        # Pass only names: docker takes values from the client's environment, as arguments are visible to all users.
        options += [f"--env={name}" for name in self.environment]
        engine.run("create", *options, *self.options, self.image.tag, environment=self.environment, timeout_s=120)

    def remove(self) -> None:
        """Deletes the container and its data, if any."""
        for name in engine.containers([self.name, self.aside]):
            engine.run("rm", "--force", "--volumes", name)
        if self.volume and engine.exists("volume", self.volume):
            engine.run("volume", "rm", self.volume)

    @contextmanager
    def set_aside(self) -> Iterator[None]:
        """Stops and renames the container; at the end, deletes any replacement and restores the original."""
        try:
            engine.run("stop", "--time=5", self.name)
            engine.run("rename", self.name, self.aside)
            yield
        finally:
            if engine.containers([self.aside]):
                if engine.containers([self.name]):
                    engine.run("rm", "--force", self.name)
                engine.run("rename", self.aside, self.name)
            engine.run("start", self.name)

    def definition_hash(self) -> str:
        """A hash of the container's definition, including the image id."""
        image = engine.image(self.image.tag)
        parts = [image and image["Id"], self.common, self.options, self.data, dict(self.environment)]
        return _digest(parts)


def all_of(passwords: Passwords) -> tuple[Container, ...]:
    """The three databases, then the server."""
    return (
        Container(
            POSTGRES,
            images.POSTGRES,
            ("--memory=512m", "--shm-size=256m", *_published(POSTGRES_PORT, 5432)),
            passwords.postgres,
            "/var/lib/postgresql/data",
        ),
        Container(REDIS, images.REDIS, ("--memory=256m", *_published(REDIS_PORT, 6379)), passwords.redis, "/data"),
        Container(
            RABBITMQ,
            images.RABBITMQ,
            ("--memory=512m", *_published(RABBITMQ_PORT, 5672), *_published(MANAGEMENT_PORT, 15672)),
            passwords.rabbitmq,
            "/var/lib/rabbitmq",
        ),
        Container(VPS, images.VPS, _server()),
    )


def setup_hash(found: Mapping[str, Any]) -> str:
    """A hash of a container's actual setup; changed by `docker update` and by connecting networks."""
    return _digest([found["Id"], found["HostConfig"], sorted(found["NetworkSettings"]["Networks"])])


def _server() -> tuple[str, ...]:
    socket = f"--volume={engine.socket()}:/run/docker.sock"
    return (*SYSTEMD, "--memory=1536m", "--add-host=chat.lab.test:127.0.0.1", socket, *_published(SSH_PORT, 22))


def _published(outside: int, inside: int) -> tuple[str, ...]:
    return (f"--publish=127.0.0.1:{outside}:{inside}",)


def _digest(parts: list[Any]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
