"""The faults: each breaks one real thing in the lab, says which checks must notice, and heals it."""

from lab.faults import databases, disks, endpoints, logs, machine, processes, rotation
from lab.faults.fault import FAULTS

__all__ = ["FAULTS", "databases", "disks", "endpoints", "logs", "machine", "processes", "rotation"]
