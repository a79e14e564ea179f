"""Passwords and tokens of the lab on Docker, including the monitor's for Redis and RabbitMQ."""

import json
import secrets
from dataclasses import dataclass

from lab import credentials
from lab.docker.layout import DockerLayout

MONITORS = ("OPSPROOF_REDIS_PASSWORD", "OPSPROOF_RABBITMQ_PASSWORD")


@dataclass(frozen=True)
class Passwords:
    """Passwords of the platform and of the monitor."""

    platform: credentials.Credentials
    monitors: dict[str, str]

    @property
    def all(self) -> list[str]:
        """Every secret string."""
        return [*self.platform.all, *self.monitors.values()]

    @property
    def postgres(self) -> dict[str, str]:
        """The environment of PostgreSQL's container."""
        names = {
            "POSTGRES_PASSWORD": "metachat",
            "METACHAT_APP_PASSWORD": "metachat_app",
            "OPSPROOF_MONITOR_PASSWORD": "opsproof_monitor",
        }
        return {name: self.platform.passwords[role] for name, role in names.items()}

    @property
    def redis(self) -> dict[str, str]:
        """The environment of Redis' container."""
        return {"REDIS_PASSWORD": self.platform.tokens["REDIS_PASSWORD"], MONITORS[0]: self.monitors[MONITORS[0]]}

    @property
    def rabbitmq(self) -> dict[str, str]:
        """The environment of RabbitMQ's container."""
        application = self.platform.tokens["RABBITMQ_PASSWORD"]
        return {"RABBITMQ_DEFAULT_PASS": application, MONITORS[1]: self.monitors[MONITORS[1]]}


def load(layout: DockerLayout) -> Passwords:
    """Loads the lab's passwords, and generates them on the first call."""
    path = layout.secrets / "monitors.json"
    if not path.exists():
        credentials.write_private(path, json.dumps({name: secrets.token_hex(16) for name in MONITORS}))
    return Passwords(credentials.load(layout), json.loads(path.read_text()))
