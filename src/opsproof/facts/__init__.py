"""Facts, one module per subject."""

from opsproof.fact import REGISTRY
from opsproof.facts import containers, databases, disks, endpoints, logs, machine, processes, services

__all__ = ["REGISTRY", "containers", "databases", "disks", "endpoints", "logs", "machine", "processes", "services"]
