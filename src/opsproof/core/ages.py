"""Ages of dated things: a date in the future, from a clock that was wrong, never counts as recent."""

from opsproof.core.errors import OutputError

AHEAD_S = 3600.0
"""Tolerated clock skew."""


def is_ahead(moment: float, now: float) -> bool:
    """Whether a moment is in the future at `now`, both in seconds since 1970, beyond clock skew, or no number."""
    return not moment <= now + AHEAD_S


def age(moment: float, now: float, what: str) -> float:
    """Seconds since a moment, at least 0; `what` is dated by the moment.

    Raises:
        OutputError: the moment is in the future.
    """
    if is_ahead(moment, now):
        raise OutputError(f"{what} is dated in the future (clock skew?)")
    return max(0.0, now - moment)
