"""Facts, one module per subject."""

from opsproof.fact import REGISTRY
from opsproof.facts import (
    archiving,
    backups,
    caches,
    containers,
    databases,
    disks,
    endpoints,
    logs,
    machine,
    processes,
    queues,
    rotation,
    services,
)

__all__ = [
    "REGISTRY",
    "archiving",
    "backups",
    "caches",
    "containers",
    "databases",
    "disks",
    "endpoints",
    "logs",
    "machine",
    "processes",
    "queues",
    "rotation",
    "services",
]
