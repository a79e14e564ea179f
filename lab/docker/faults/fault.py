"""The registry of the docker lab's faults."""

from lab.docker import DockerLab
from lab.fault import Registry

__all__ = ["FAULTS", "fault"]

_REGISTRY: Registry[DockerLab] = Registry()
FAULTS = _REGISTRY.faults
"""All faults."""
fault = _REGISTRY.fault
