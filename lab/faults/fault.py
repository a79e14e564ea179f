"""Where the faults of the embedded lab are declared."""

from lab import Lab
from lab.fault import Registry, wait_until

__all__ = ["FAULTS", "fault", "wait_until"]

_REGISTRY: Registry[Lab] = Registry()
FAULTS = _REGISTRY.faults
"""Every fault there is."""
fault = _REGISTRY.fault
