"""Used share of the range of sequences and integer keys."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from opsproof.core import scripts
from opsproof.core.counters import Counter
from opsproof.core.errors import MeasurementError
from opsproof.core.installation import rights_command
from opsproof.facts.base import SqlFact
from opsproof.facts.findings import SHOWN, Findings, reference
from opsproof.inventory.resources import Database
from opsproof.postgres.connection import Result

FAR_S = datetime(2100, 1, 1, tzinfo=UTC).timestamp()
QUERY = "SELECT schemaname, sequencename, last_value, max_value FROM pg_sequences ORDER BY last_value DESC NULLS LAST"


@dataclass(frozen=True)
class KeyRange:
    """A sequence, and the last value that the sequence or its narrowest column can hold.

    `used` is in percent; `column` is empty if the sequence itself is the limit.
    """

    sequence: str
    column: str
    is_readable: bool
    value: float
    last: float
    used: float

    def line(self, earlier: list[Counter], now: float) -> str:
        """A line with the date when values run out, extrapolated from `earlier` readings."""
        place = f" in {self.column}" if self.column else ""
        text = f"{self.sequence}{place}: {self.value:.0f} of {self.last:.0f}, {self.used:.1f} %"
        known = reference(earlier, now)
        if known is None:
            return f"{text}; a second run is needed to predict when values run out"
        growth = (self.value - known.value) / (now - known.now)
        if growth * (self.last - self.value) <= 0:
            return f"{text}; no growth since {_day(known.now)}"
        return f"{text}; runs out about {_day(now + (self.last - self.value) / growth)}"


@dataclass(frozen=True)
class DatabaseKeys:
    """Sequences of a database with a reachable end, at the server's time `now`."""

    ranges: tuple[KeyRange, ...]
    now: float

    @property
    def found(self) -> Findings[KeyRange]:
        """Readable sequences, the fullest first."""
        readable = sorted((each for each in self.ranges if each.is_readable), key=lambda each: -each.used)
        return Findings(tuple(readable), QUERY)

    @property
    def readings(self) -> dict[str, Counter]:
        """Values of the fullest sequences by name, for later runs."""
        return {f"sequence {each.sequence}": Counter(each.value, 0.0, self.now) for each in self.found.rows[:SHOWN]}

    def lines(self, earlier: dict[str, list[Counter]]) -> list[str]:
        """The fullest sequences as text, compared with earlier runs; empty without sequences."""
        shown = self.found.rows[:SHOWN]
        lines = [each.line(earlier[f"sequence {each.sequence}"], self.now) for each in shown]
        return [*lines, f"query: {QUERY}"] if lines else []

    @property
    def used(self) -> float:
        """Used share of the fullest sequence, in percent."""
        return max((each.used for each in self.found.rows), default=0.0)

    def require_readable(self) -> None:
        """Checks that the role may read every sequence.

        Raises:
            MeasurementError: a sequence is unreadable.
        """
        if hidden := [each.sequence for each in self.ranges if not each.is_readable]:
            names = ", ".join(hidden[:3])
            raise MeasurementError(
                f"permission denied for sequence {names}: run the SQL of {rights_command('monitor.sql')}"
            )


def _day(seconds: float) -> str:
    if seconds > FAR_S:
        return "2100 or later"
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"


class KeyRanges(SqlFact[DatabaseKeys]):
    """Sequences with their columns: column defaults, identities, and foreign keys to those columns.

    Skipped are cycling sequences, and bigint sequences of bigint columns.
    """

    sql = scripts.sql("facts/key_ranges")

    def parse(self, result: Result, database: Database) -> DatabaseKeys:
        """No row is a valid answer: no sequence can run out."""
        rows = result.require()
        ranges = tuple(map(_range, rows))
        return DatabaseKeys(ranges, float(rows[0][-1]) if rows else 0.0)


def _range(row: list[Any]) -> KeyRange:
    sequence, column, is_readable, value, last, used, _ = row
    return KeyRange(sequence, column or "", bool(is_readable), float(value), float(last), float(used))
