"""Slow statements and slowdowns, from pg_stat_statements."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from opsproof.core import scripts
from opsproof.core.counters import PUNCTUALITY, Counter, goes_on
from opsproof.core.errors import Absent, MeasurementError
from opsproof.core.units import show
from opsproof.facts.base import SqlFact
from opsproof.facts.sessions import NEEDS_PG_MONITOR
from opsproof.inventory.resources import Database
from opsproof.postgres.connection import Result

OFTEN = 20
"""Means of fewer calls are unreliable: such statements are rare, and only warn."""
NOTICED_MS = 10.0
"""Faster statements are never called slow, whatever the slowdown."""
YOUNG_S = 3600.0
"""An empty pg_stat_statements proves nothing within an hour of a reset."""
MONTH_S = 28 * 86400.0
"""Age of the baseline for slowdowns."""
Readings = Mapping[str, list[Counter]]


class StatementExtension(SqlFact[str]):
    """Version of pg_stat_statements in the database."""

    sql = scripts.sql("facts/statement_extension")

    def parse(self, result: Result, database: Database) -> str:
        """Raises `Absent` if the extension is missing or not preloaded."""
        ((release, most),) = result.require()
        if most is None:
            raise Absent("pg_stat_statements is not loaded: add it to shared_preload_libraries and restart the server")
        if release is None:
            raise Absent("pg_stat_statements is not in this database: CREATE EXTENSION pg_stat_statements")
        return str(release)


class StatementEvictions(SqlFact[Counter]):
    """How often pg_stat_statements was full and evicted the least-called statements."""

    sql = scripts.sql("facts/statement_evictions")

    def parse(self, result: Result, database: Database) -> Counter:
        """The counter; with pg_stat_statements.track off, evictions are unknown."""
        ((dropped, since, now, tracked),) = result.require()
        _require_tracked(tracked)
        return Counter(int(dropped), float(since), float(now), reborn="pg_stat_statements was reset")


def _require_tracked(tracked: str) -> None:
    if tracked == "none":
        raise MeasurementError("pg_stat_statements.track is none, so statements are not recorded")


@dataclass(frozen=True)
class Statement:
    """A normalised statement of all users: number of calls, times in milliseconds, with the standard deviation."""

    number: str
    calls: int
    total_ms: float
    longest_ms: float
    deviation_ms: float
    text: str
    now: float
    since: float

    @property
    def mean_s(self) -> float:
        """Mean time of a call, in seconds."""
        return self.total_ms / self.calls / 1000

    @property
    def readings(self) -> dict[str, Counter]:
        """Counters for comparison by later runs."""
        values = {"calls": self.calls, "time": self.total_ms}
        return {f"{each} {self.number}": Counter(value, self.since, self.now) for each, value in values.items()}

    def slowdown(self, earlier: Readings) -> float:
        """Mean time of recent calls relative to the mean a month ago, or at the first reading; 1 with too few calls."""
        known = self._known(earlier)
        old = [each for each in known if each.now <= self.now - MONTH_S * PUNCTUALITY]
        usual = next(iter(old[-1:] or known), None)
        since = [each for each in known if usual and each.now >= usual.now and self.calls - each.calls >= OFTEN]
        if usual is None or usual.calls < OFTEN or not since:
            return 1.0
        mean_ms = (self.total_ms - since[-1].total_ms) / (self.calls - since[-1].calls)
        return mean_ms / (1000 * usual.mean_s) if mean_ms >= NOTICED_MS else 1.0

    def _known(self, earlier: Readings) -> list["Statement"]:
        """Earlier readings since the last reset or eviction, the oldest first."""
        found = [self]
        for calls, time in zip(*(reversed(earlier.get(name, [])) for name in self.readings), strict=True):
            if not all(map(goes_on, (calls, time), found[0].readings.values())):
                break
            found.insert(0, replace(self, calls=int(calls.value), total_ms=time.value, now=calls.now))
        return found[:-1]

    def __str__(self) -> str:
        mean, deviation = (show(each, "seconds") for each in (self.mean_s, self.deviation_ms / 1000))
        calls = f"{self.calls} call{'s' if self.calls > 1 else ''}"
        longest = show(self.longest_ms / 1000, "seconds")
        return f"{mean} on average (standard deviation {deviation}), {longest} at most, {calls}: {self.text}"


@dataclass(frozen=True)
class StatementList:
    """Statements with enough calls, and `rare` statements, the slowest first; counted from `since` to `now`."""

    statements: tuple[Statement, ...]
    rare: tuple[Statement, ...]
    since: float
    now: float

    @property
    def slowest_s(self) -> float:
        """Mean time of the slowest statement with enough calls, in seconds; 0 without statements."""
        return max((each.mean_s for each in self.statements), default=0.0)

    @property
    def slowest_rare_s(self) -> float:
        """Mean time of the slowest rare statement, in seconds; 0 without statements."""
        return max((each.mean_s for each in self.rare), default=0.0)

    @property
    def readings(self) -> dict[str, Counter]:
        """Counters for comparison by later runs."""
        seen = {"statements": Counter(len(self.statements), self.since, self.now)}
        return seen | {name: reading for each in self.statements for name, reading in each.readings.items()}

    def slowed(self, earlier: Readings) -> list[tuple[float, Statement]]:
        """Slowdown factor and statement, the worst first.

        Raises:
            MeasurementError: there is no earlier run, or pg_stat_statements was reset since.
        """
        last = next(iter(earlier["statements"][-1:]), None)
        if self.statements and last is None:
            raise MeasurementError("no earlier run is on record, so nothing can be compared")
        if last is not None and abs(last.born - self.since) > 1:
            raise MeasurementError("pg_stat_statements was reset: no comparison with earlier runs")
        return sorted(((each.slowdown(earlier), each) for each in self.statements), key=lambda pair: -pair[0])


class Statements(SqlFact[StatementList]):
    """The fifty statements with the largest total time and the ten slowest, of statements with twenty calls or more.

    Of rare statements, the ten slowest. Maintenance and COPY are excluded: their time is expected. So are opsproof's
    own catalog queries.
    """

    sql = scripts.sql("facts/statements")

    def parse(self, result: Result, database: Database) -> StatementList:
        """Normalised statements by text; other statements by their first word."""
        rows = result.require()
        if not rows[0][0]:
            raise MeasurementError(NEEDS_PG_MONITOR)
        *_, now, since, tracked = rows[0]
        _require_tracked(tracked)
        every = [_statement(row) for row in rows if row[1] is not None]
        found = tuple(each for each in every if each.calls >= OFTEN)
        if not found and now - since < YOUNG_S:
            raise MeasurementError(f"no statement was called {OFTEN} times since the last reset of pg_stat_statements")
        return StatementList(found, tuple(each for each in every if each.calls < OFTEN), float(since), float(now))


def _statement(row: list[Any]) -> Statement:
    _, number, calls, total, longest, deviation, text, now, since, _ = row
    times = (int(calls), float(total), float(longest), float(deviation))
    return Statement(str(number), *times, str(text or "text unknown"), float(now), float(since))
