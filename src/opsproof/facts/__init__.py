"""Facts, one module per subject."""

from opsproof.fact import REGISTRY
from opsproof.facts import databases, disks, endpoints, logs, machine, processes

__all__ = ["REGISTRY", "databases", "disks", "endpoints", "logs", "machine", "processes"]
