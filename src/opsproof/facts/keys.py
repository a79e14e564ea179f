"""How much of the values of sequences and integer keys is used up."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from opsproof.core import scripts
from opsproof.core.counters import Counter
from opsproof.core.errors import MeasurementError
from opsproof.facts.base import SqlFact
from opsproof.facts.findings import SHOWN, Findings, reference
from opsproof.inventory.resources import Database
from opsproof.postgres.connection import Result

FAR_S = datetime(2100, 1, 1, tzinfo=UTC).timestamp()
AGAIN = "SELECT schemaname, sequencename, last_value, max_value FROM pg_sequences ORDER BY last_value DESC NULLS LAST"


@dataclass(frozen=True)
class KeyRange:
    """A sequence, and the last of its values that it, or the narrowest column that holds them, can take.

    `used` is in percent; `column` is empty where the sequence itself is what ends.
    """

    sequence: str
    column: str
    is_readable: bool
    value: float
    last: float
    used: float

    def line(self, earlier: list[Counter], now: float) -> str:
        """It in words, with the day on which it runs out if it goes on as since `earlier` readings."""
        place = f" in {self.column}" if self.column else ""
        said = f"{self.sequence}{place}: {self.value:.0f} of {self.last:.0f}, {self.used:.1f} %"
        known = reference(earlier, now)
        if known is None:
            return f"{said}; when it runs out is known from the second run on"
        grown = (self.value - known.value) / (now - known.now)
        if grown * (self.last - self.value) <= 0:
            return f"{said}; it has not grown since {_day(known.now)}"
        return f"{said}; runs out about {_day(now + (self.last - self.value) / grown)}"


@dataclass(frozen=True)
class DatabaseKeys:
    """The sequences of a database that can be counted to their end, at the server's time `now`."""

    ranges: tuple[KeyRange, ...]
    now: float

    @property
    def found(self) -> Findings[KeyRange]:
        """Those that can be read, the fullest first."""
        readable = sorted((each for each in self.ranges if each.is_readable), key=lambda each: -each.used)
        return Findings(tuple(readable), AGAIN)

    @property
    def readings(self) -> dict[str, Counter]:
        """The values of the fullest, by name, for later runs."""
        return {f"sequence {each.sequence}": Counter(each.value, 0.0, self.now) for each in self.found.rows[:SHOWN]}

    def lines(self, earlier: dict[str, list[Counter]]) -> list[str]:
        """The fullest in words, by readings of earlier runs; nothing where there are none."""
        shown = self.found.rows[:SHOWN]
        lines = [each.line(earlier[f"sequence {each.sequence}"], self.now) for each in shown]
        return [*lines, f"again: {AGAIN}"] if lines else []

    @property
    def used(self) -> float:
        """Of the fullest, in percent."""
        return max((each.used for each in self.found.rows), default=0.0)

    def require_readable(self) -> None:
        """Nothing can be said of a sequence that the role may not read.

        Raises:
            MeasurementError: there is one.
        """
        if hidden := [each.sequence for each in self.ranges if not each.is_readable]:
            names = ", ".join(hidden[:3])
            raise MeasurementError(f"the role may not read {names}: docs/privileges/monitor.sql grants it")


def _day(seconds: float) -> str:
    if seconds > FAR_S:
        return "the year 2100 or later"
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"


class KeyRanges(SqlFact[DatabaseKeys]):
    """Sequences and what they feed: columns with their default, identities, and columns that refer to those.

    Left out are those that begin anew when they end, and those of bigint for nothing narrower.
    """

    sql = scripts.sql("facts/key_ranges")

    def parse(self, result: Result, database: Database) -> DatabaseKeys:
        """No row is good: no sequence can come to its end."""
        rows = result.require()
        ranges = tuple(map(_range, rows))
        return DatabaseKeys(ranges, float(rows[0][-1]) if rows else 0.0)


def _range(row: list[Any]) -> KeyRange:
    sequence, column, is_readable, value, last, used, _ = row
    return KeyRange(sequence, column or "", bool(is_readable), float(value), float(last), float(used))
