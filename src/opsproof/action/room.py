"""Guard against a full disk."""

from opsproof.core.errors import Refused
from opsproof.core.units import show

MARGIN = 1.2
"""Free space must be at least the expected size times this factor."""


def require_room(where: str, free: float, needed: float, purpose: str = "") -> None:
    """Refuses a step if the file system `where` has less free space than needed.

    Raises:
        Refused: free space does not suffice.
    """
    if free < needed:
        raise Refused(f"{where} has {show(free, 'bytes')} free ({show(needed, 'bytes')} needed{purpose})")
