"""The recovery target time of a cluster, as users write --to and as pgBackRest reads --target."""

from dataclasses import dataclass
from datetime import UTC, datetime

from opsproof.core.errors import InventoryError

EXAMPLE = "2026-11-25 14:00:00+00"


@dataclass(frozen=True)
class Moment:
    """A recovery target time with zone: commits up to this time are restored, later commits are not."""

    time: datetime

    @property
    def seconds(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        return self.time.timestamp()

    @property
    def shown(self) -> str:
        """The time in UTC, as in `EXAMPLE`."""
        text = self.time.astimezone(UTC).isoformat(sep=" ")
        return text.removesuffix("+00:00") + "+00"

    @property
    def words(self) -> tuple[str, ...]:
        """The pgBackRest options for the target time; PostgreSQL promotes at the end of recovery."""
        return ("--type", "time", "--target", self.shown, "--target-action", "promote")


def parse_moment(text: str | None) -> Moment | None:
    """The time in an ISO 8601 text, or None for None.

    Raises:
        InventoryError: the text is no time, or has no zone.
    """
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise InventoryError(f"--to: {text!r} is not a time; write for example {EXAMPLE!r}") from error
    if found.tzinfo is None:
        raise InventoryError(f"--to: {text!r} has no time zone; write for example {EXAMPLE!r}")
    return Moment(found)
