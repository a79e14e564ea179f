"""Statements, as pg_stat_statements counts them: which are slow, and which have become so."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from opsproof.core import scripts
from opsproof.core.counters import PUNCTUALITY, Counter, goes_on
from opsproof.core.errors import Absent, MeasurementError
from opsproof.core.units import show
from opsproof.facts.base import SqlFact
from opsproof.facts.sessions import BLIND
from opsproof.inventory.resources import Database
from opsproof.postgres.connection import Result

OFTEN = 20
"""A mean of fewer calls says little."""
NOTICED_MS = 10.0
"""Whatever is quicker than this is not called slow, however much slower it has become."""
YOUNG_S = 3600.0
"""Of a record as young as this, nothing in it says nothing."""
MONTH_S = 28 * 86400.0
"""How far back that lies which is called usual."""
Readings = Mapping[str, list[Counter]]


class StatementExtension(SqlFact[str]):
    """The release of pg_stat_statements in the database."""

    sql = scripts.sql("facts/statement_extension")

    def parse(self, result: Result, database: Database) -> str:
        """Absent where nothing is recorded: the extension is not there, or the server was started without it."""
        ((release, most),) = result.require()
        if most is None:
            raise Absent(
                "pg_stat_statements is not loaded: name it in shared_preload_libraries, and restart the server"
            )
        if release is None:
            raise Absent("pg_stat_statements is loaded, but not in this database: CREATE EXTENSION pg_stat_statements")
        return str(release)


class StatementEvictions(SqlFact[Counter]):
    """How often pg_stat_statements dropped the statements that were called least, because it was full."""

    sql = scripts.sql("facts/statement_evictions")

    def parse(self, result: Result, database: Database) -> Counter:
        """The counter; where nothing is tracked, nothing is evicted either."""
        ((dropped, since, now, tracked),) = result.require()
        _require_tracked(tracked)
        return Counter(int(dropped), float(since), float(now), reborn="pg_stat_statements was reset")


def _require_tracked(tracked: str) -> None:
    if tracked == "none":
        raise MeasurementError("pg_stat_statements.track is none, so that no statement is recorded")


@dataclass(frozen=True)
class Statement:
    """One kind of statement, whoever calls it: how often it was called, and how long it took in milliseconds."""

    number: str
    calls: int
    total_ms: float
    longest_ms: float
    text: str
    now: float
    since: float

    @property
    def mean_s(self) -> float:
        """Mean time of a call, in seconds."""
        return self.total_ms / self.calls / 1000

    @property
    def readings(self) -> dict[str, Counter]:
        """What a later run needs in order to know what happened since this one."""
        values = {"calls": self.calls, "time": self.total_ms}
        return {f"{each} {self.number}": Counter(value, self.since, self.now) for each, value in values.items()}

    def slowdown(self, earlier: Readings) -> float:
        """Mean time of its latest calls by that up to a month ago, or up to the first reading; 1 with too few calls."""
        known = self._known(earlier)
        old = [each for each in known if each.now <= self.now - MONTH_S * PUNCTUALITY]
        usual = next(iter(old[-1:] or known), None)
        since = [each for each in known if usual and each.now >= usual.now and self.calls - each.calls >= OFTEN]
        if usual is None or usual.calls < OFTEN or not since:
            return 1.0
        mean_ms = (self.total_ms - since[-1].total_ms) / (self.calls - since[-1].calls)
        return mean_ms / (1000 * usual.mean_s) if mean_ms >= NOTICED_MS else 1.0

    def _known(self, earlier: Readings) -> list["Statement"]:
        """It as earlier runs read it since it was last forgotten, alone or with all others; the oldest first."""
        found = [self]
        for calls, time in zip(*(reversed(earlier.get(name, [])) for name in self.readings), strict=True):
            if not all(map(goes_on, (calls, time), found[0].readings.values())):
                break
            found.insert(0, replace(self, calls=int(calls.value), total_ms=time.value, now=calls.now))
        return found[:-1]

    def __str__(self) -> str:
        times = f"{show(self.mean_s, 'seconds')} on average, {show(self.longest_ms / 1000, 'seconds')} at most"
        return f"{times}, {self.calls} calls: {self.text}"


@dataclass(frozen=True)
class StatementList:
    """Statements that were called often enough, the slowest first; they count since `since`, up to `now`."""

    statements: tuple[Statement, ...]
    since: float
    now: float

    @property
    def slowest_s(self) -> float:
        """Mean time of the slowest, in seconds; 0 where none was called often enough."""
        return max((each.mean_s for each in self.statements), default=0.0)

    @property
    def readings(self) -> dict[str, Counter]:
        """What a later run needs in order to know what happened since this one."""
        seen = {"statements": Counter(len(self.statements), self.since, self.now)}
        return seen | {name: reading for each in self.statements for name, reading in each.readings.items()}

    def slowed(self, earlier: Readings) -> list[tuple[float, Statement]]:
        """Each statement after how many times slower it is than by `earlier` runs, the worst first.

        Raises:
            MeasurementError: there was no earlier run, or all was forgotten since.
        """
        last = next(iter(earlier["statements"][-1:]), None)
        if self.statements and last is None:
            raise MeasurementError("no earlier run is on record to compare with")
        if last is not None and abs(last.born - self.since) > 1:
            raise MeasurementError("pg_stat_statements was reset, so that nothing can be compared with earlier runs")
        return sorted(((each.slowdown(earlier), each) for each in self.statements), key=lambda pair: -pair[0])


class Statements(SqlFact[StatementList]):
    """The fifty statements that took most time in all and the ten slowest, of those called twenty times or more.

    Maintenance and copying take the time that they take. So does what opsproof itself asks: what its role reads of the
    catalogs.
    """

    sql = scripts.sql("facts/statements")

    def parse(self, result: Result, database: Database) -> StatementList:
        """Statements by their text without values; of what is not normalised, by its first word."""
        rows = result.require()
        if not rows[0][0]:
            raise MeasurementError(BLIND)
        *_, now, since, tracked = rows[0]
        _require_tracked(tracked)
        found = tuple(_statement(row) for row in rows if row[1] is not None)
        if not found and now - since < YOUNG_S:
            raise MeasurementError(f"no statement was called {OFTEN} times since pg_stat_statements was reset just now")
        return StatementList(found, float(since), float(now))


def _statement(row: list[Any]) -> Statement:
    _, number, calls, total, longest, text, now, since, _ = row
    times = (int(calls), float(total), float(longest))
    return Statement(str(number), *times, str(text or "not told"), float(now), float(since))
