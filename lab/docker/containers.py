"""The four containers as production would run them, and how each is made, told apart from others, and removed."""

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
# What systemd needs to be process 1: its own temporary file systems, and to make cgroups below its own. The machine's
# view of the cgroups keeps it there; with a private one over version 1 it would write into the machine's root.
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
    """One container: what it is called, what it is made of, and the arguments of `docker create`."""

    name: str
    image: images.Image
    options: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    data: str | None = None
    common: tuple[str, ...] = COMMON

    @property
    def volume(self) -> str | None:
        """The volume that holds its data."""
        return f"{self.name}-data" if self.data else None

    @property
    def aside(self) -> str:
        """Its name while another one is in its place."""
        return f"{self.name}-aside"

    def create(self, home: str) -> None:
        """Makes it anew, with the data of its image."""
        self.remove()
        if self.volume:
            engine.run("volume", "create", *LABEL, self.volume)
        self.make(home)

    def make(self, home: str) -> None:
        """Makes it, over the data that there are."""
        options = [*self.common, "--label", f"{HOME_LABEL}={home}", f"--name={self.name}", f"--hostname={self.name}"]
        if self.volume:
            options.append(f"--volume={self.volume}:{self.data}")
        # By name alone: the values come from the client's environment, as arguments are for all to see.
        options += [f"--env={name}" for name in self.environment]
        engine.run("create", *options, *self.options, self.image.tag, environment=self.environment, timeout_s=120)

    def remove(self) -> None:
        """Deletes it and its data; fine when there is none."""
        for name in engine.containers([self.name, self.aside]):
            engine.run("rm", "--force", "--volumes", name)
        if self.volume and engine.exists("volume", self.volume):
            engine.run("volume", "rm", self.volume)

    @contextmanager
    def away(self) -> Iterator[None]:
        """Stops it and keeps it under another name; whatever took its place meanwhile makes room for it again."""
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

    def wanted(self) -> str:
        """Tells what it is to be made of, its image included."""
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


def made(found: Mapping[str, Any]) -> str:
    """Tells how a container is set up at this moment; `docker update` and other networks change it."""
    return _digest([found["Id"], found["HostConfig"], sorted(found["NetworkSettings"]["Networks"])])


def _server() -> tuple[str, ...]:
    socket = f"--volume={engine.socket()}:/run/docker.sock"
    return (*SYSTEMD, "--memory=1536m", "--add-host=chat.lab.test:127.0.0.1", socket, *_published(SSH_PORT, 22))


def _published(outside: int, inside: int) -> tuple[str, ...]:
    return (f"--publish=127.0.0.1:{outside}:{inside}",)


def _digest(parts: list[Any]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
