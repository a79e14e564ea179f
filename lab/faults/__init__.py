"""The faults: each breaks one real thing in the lab, says which checks must notice, and heals it."""

from lab.faults import backups, databases, disks, endpoints, logs, machine, processes, rotation, servers, space, vacuum
from lab.faults.fault import FAULTS

__all__ = [
    "FAULTS",
    "backups",
    "databases",
    "disks",
    "endpoints",
    "logs",
    "machine",
    "processes",
    "rotation",
    "servers",
    "space",
    "vacuum",
]
