"""The faults: each breaks one real thing in the lab, says which checks must notice, and heals it."""

from lab.faults import (
    backups,
    databases,
    disks,
    endpoints,
    indexes,
    logs,
    machine,
    processes,
    replication,
    rotation,
    servers,
    sessions,
    space,
    statements,
    vacuum,
    vectors,
)
from lab.faults.fault import FAULTS

__all__ = [
    "FAULTS",
    "backups",
    "databases",
    "disks",
    "endpoints",
    "indexes",
    "logs",
    "machine",
    "processes",
    "replication",
    "rotation",
    "servers",
    "sessions",
    "space",
    "statements",
    "vacuum",
    "vectors",
]
