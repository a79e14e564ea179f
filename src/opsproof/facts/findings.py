"""Rows found by a query, as checks show rows."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from opsproof.core.counters import Counter
from opsproof.core.errors import DatabaseError, MeasurementError
from opsproof.core.installation import rights_command
from opsproof.postgres.connection import Result

T = TypeVar("T")
SHOWN = 10
GROWTH_SPAN_S = 92 * 86400.0


@dataclass(frozen=True)
class Findings(Generic[T]):
    """Rows, the worst first, and a query to list all rows."""

    rows: tuple[T, ...]
    query: str

    @property
    def lines(self) -> list[str]:
        """The ten worst rows as text, then the query; empty without rows."""
        return [*map(str, self.rows[:SHOWN]), f"query: {self.query}"] if self.rows else []


def reference(earlier: list[Counter], now: float) -> Counter | None:
    """Baseline for growth: the oldest reading within 92 days, else the last one; None without earlier readings."""
    before = [each for each in earlier if each.now < now]
    return next((each for each in before if each.now >= now - GROWTH_SPAN_S), before[-1] if before else None)


def privileged_rows(result: Result) -> list[list[Any]]:
    """Rows of a query that needs more than pg_monitor.

    Raises:
        DatabaseError: the query failed; names the file with missing grants.
    """
    if "permission denied for" in result.error:
        raise DatabaseError(f"{result.error}: run the SQL of {rights_command('monitor.sql')}")
    return result.require()


def require_counting(counting: object) -> None:
    """Checks that the server counts activity.

    Raises:
        MeasurementError: track_counts is off.
    """
    if not counting:
        raise MeasurementError("track_counts is off, so the server has no activity counters")
