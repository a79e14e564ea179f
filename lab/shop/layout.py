"""Names, addresses and paths of the shop."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lab.layout import DEFAULT_HOME, Layout

HOME = DEFAULT_HOME / "shop"
MACHINE, ADDRESS = "10.214.77.1", "10.214.77.2"
"""The two ends of the shop's network: of this machine, and of the shop. A network namespace has one shop."""
INTERFACE = "opsproof-shop"
CLUSTERS = {"shop": ("main", 5432), "archive": ("archive", 5433)}
"""The cluster and the port of each database."""


@dataclass(frozen=True)
class ShopLayout(Layout):
    """Paths on the machine; all else is in the shop's own file system."""

    @cached_property
    def root(self) -> Path:
        """The shop's file system."""
        return self.home / "root"

    @cached_property
    def ssh(self) -> Path:
        """The client's key, the server's keys, known_hosts and the client's configuration."""
        return self.home / "ssh"

    @cached_property
    def log(self) -> Path:
        """Output of the last build and of the last boot."""
        return self.home / "log"

    @cached_property
    def session_lock(self) -> Path:
        """The lock of long users of the lab, like a test session."""
        return self.home / "session.lock"

    def create(self) -> None:
        """Creates the folders; only the owner can read keys and passwords."""
        self.home.mkdir(parents=True, exist_ok=True)
        for folder in (self.ssh, self.secrets):
            folder.mkdir(mode=0o700, exist_ok=True)
