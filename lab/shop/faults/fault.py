"""The registry of the shop's faults."""

from lab.fault import Registry
from lab.shop import ShopLab

__all__ = ["FAULTS", "fault"]

_REGISTRY: Registry[ShopLab] = Registry()
FAULTS = _REGISTRY.faults
"""All faults."""
fault = _REGISTRY.fault
