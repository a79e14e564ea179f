"""Whether there is room for what is to be made, before anything of it is."""

from opsproof.core.errors import Refused
from opsproof.core.units import show

MARGIN = 1.2
"""Room for so many times the expected size must be free."""


def require_room(where: str, free: float, needed: float, purpose: str = "") -> None:
    """Says no to what needs more bytes than `where` has `free`.

    Raises:
        Refused: how many are there, and how many are needed.
    """
    if free < needed:
        raise Refused(f"{where} has {show(free, 'bytes')} left, and {show(needed, 'bytes')} are needed{purpose}")
