"""A moment that a cluster is restored to, as people write it and as PostgreSQL reads it."""

from dataclasses import dataclass
from datetime import UTC, datetime

from opsproof.core.errors import InventoryError

EXAMPLE = "2026-11-25 14:00:00+00"


@dataclass(frozen=True)
class Moment:
    """A time with its zone; what was committed until then is restored, and nothing that was committed later."""

    time: datetime

    @property
    def seconds(self) -> float:
        """Seconds since 1970."""
        return self.time.timestamp()

    @property
    def shown(self) -> str:
        """It for a reader, in UTC."""
        text = self.time.astimezone(UTC).isoformat(sep=" ")
        return text.removesuffix("+00:00") + "+00"

    @property
    def words(self) -> tuple[str, ...]:
        """The options by which pgBackRest restores to it; the cluster then takes up its work."""
        return ("--type", "time", "--target", self.shown, "--target-action", "promote")


def moment(said: str | None) -> Moment | None:
    """The moment that a text names, or None.

    Raises:
        InventoryError: it names none, or does not say in which zone.
    """
    if said is None:
        return None
    try:
        found = datetime.fromisoformat(said)
    except ValueError as error:
        raise InventoryError(f"--to: {said!r} is no moment such as {EXAMPLE!r}") from error
    if found.tzinfo is None:
        raise InventoryError(f"--to: {said!r} names no zone: write {EXAMPLE!r}")
    return Moment(found)
