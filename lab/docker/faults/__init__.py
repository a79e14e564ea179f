"""The faults: each breaks one real thing in the docker lab, says which checks must notice, and heals it."""

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
