"""The registry of the embedded lab's faults."""

from lab import Lab
from lab.fault import Registry

__all__ = ["FAULTS", "fault"]

_REGISTRY: Registry[Lab] = Registry()
FAULTS = _REGISTRY.faults
"""All faults."""
fault = _REGISTRY.fault
