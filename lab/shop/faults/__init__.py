"""Faults of the shop: each breaks a real thing, names the checks affected, and heals."""

from lab.shop.faults import databases, disks, logs, partitions, ports, site, units
from lab.shop.faults.fault import FAULTS

__all__ = ["FAULTS", "databases", "disks", "logs", "partitions", "ports", "site", "units"]
