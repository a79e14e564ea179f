"""Names, ports and paths of the lab on Docker. Container names are unique per machine, so a machine has one lab."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lab.layout import DEFAULT_HOME, Layout

NETWORK = "meta-chat"
POSTGRES, REDIS, RABBITMQ, VPS = (f"meta-chat-{name}" for name in ("postgres", "redis", "rabbitmq", "vps"))
NAMES = (POSTGRES, REDIS, RABBITMQ, VPS)
POSTGRES_PORT = 45433
REDIS_PORT = 46379
RABBITMQ_PORT = 45672
MANAGEMENT_PORT = 45673
SSH_PORT = 42222
OWNER_LABEL = "opsproof.lab"
HOME_LABEL = "opsproof.lab.home"
HOME = DEFAULT_HOME / "docker"
APP = "/home/deploy/meta-chat-platform"
BACKUPS = "/var/backups/metachat"
ELSEWHERE = "/srv/backups/vps"
"""Folder of off-site copies: on the same server with a different user, standing in for another machine."""


@dataclass(frozen=True)
class DockerLayout(Layout):
    """Paths on the machine; all else is in containers and volumes."""

    @cached_property
    def ssh(self) -> Path:
        """The client's key, the server's keys, known_hosts and the client's configuration."""
        return self.home / "ssh"

    @cached_property
    def builds(self) -> Path:
        """Logs of the last builds."""
        return self.home / "builds"

    @cached_property
    def session_lock(self) -> Path:
        """The lock of long users of the lab, like a test session."""
        return self.home / "session.lock"

    def create(self) -> None:
        """Creates the folders, accessible only to the owner."""
        for folder in (self.home, self.ssh, self.secrets, self.builds):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
