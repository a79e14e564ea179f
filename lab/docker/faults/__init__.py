"""Faults of the docker lab: each breaks a real thing, names the checks affected, and heals."""

from lab.docker.faults import backups, caches, containers, logins, memory, platform, proxy, queues, rotation, settings
from lab.docker.faults.fault import FAULTS

__all__ = [
    "FAULTS",
    "backups",
    "caches",
    "containers",
    "logins",
    "memory",
    "platform",
    "proxy",
    "queues",
    "rotation",
    "settings",
]
