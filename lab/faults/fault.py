"""Where the faults of the embedded lab are declared."""

from lab import Lab
from lab.fault import Registry

__all__ = ["FAULTS", "fault"]

_REGISTRY: Registry[Lab] = Registry()
FAULTS = _REGISTRY.faults
"""Every fault there is."""
fault = _REGISTRY.fault
