"""Faults of the embedded lab: each breaks a real thing, names the checks affected, and heals."""

from lab.faults import (
    backups,
    databases,
    disks,
    endpoints,
    indexes,
    logs,
    machine,
    plain_processes,
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
    "plain_processes",
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
