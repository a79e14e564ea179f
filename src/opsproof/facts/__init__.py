"""Facts, one module per subject."""

from opsproof.fact import REGISTRY
from opsproof.facts import (
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
