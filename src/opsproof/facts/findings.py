"""What a query found, in the form in which checks show it."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from opsproof.core.counters import Counter
from opsproof.core.errors import DatabaseError, MeasurementError
from opsproof.postgres.connection import Result

T = TypeVar("T")
SHOWN = 10
GROWTH_SPAN_S = 92 * 86400.0


@dataclass(frozen=True)
class Findings(Generic[T]):
    """Rows, the worst first, and the query that shows them again to whoever looks closer."""

    rows: tuple[T, ...]
    again: str

    @property
    def lines(self) -> list[str]:
        """The worst ten as text, then the query; nothing where nothing was found."""
        return [*map(str, self.rows[:SHOWN]), f"again: {self.again}"] if self.rows else []


def reference(earlier: list[Counter], now: float) -> Counter | None:
    """The reading that growth is told by: the oldest of three months, else the last before it; None without any."""
    before = [each for each in earlier if each.now < now]
    return next((each for each in before if each.now >= now - GROWTH_SPAN_S), before[-1] if before else None)


def granted(result: Result) -> list[list[Any]]:
    """The rows of a query that needs more than pg_monitor.

    Raises:
        DatabaseError: there are none; says which file grants what is missing.
    """
    if "permission denied for" in result.error:
        raise DatabaseError(f"{result.error}: docs/privileges/monitor.sql grants it")
    return result.require()


def require_counting(counting: object) -> None:
    """Says that nothing can be said of activity where the server does not count it.

    Raises:
        MeasurementError: it does not.
    """
    if not counting:
        raise MeasurementError("track_counts is off, so that nothing is counted")
