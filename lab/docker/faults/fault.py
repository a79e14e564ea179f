"""Where the faults of the docker lab are declared."""

from lab.docker import DockerLab
from lab.fault import Registry

__all__ = ["FAULTS", "fault"]

_REGISTRY: Registry[DockerLab] = Registry()
FAULTS = _REGISTRY.faults
"""Every fault there is."""
fault = _REGISTRY.fault
