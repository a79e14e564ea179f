"""What vacuuming costs: how long it takes, table by table."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opsproof.database import Result
from opsproof.errors import MeasurementError, OutputError
from opsproof.fact import SqlFact, sql_file
from opsproof.facts.findings import SHOWN
from opsproof.facts.sessions import BLIND
from opsproof.nouns import Database
from opsproof.quantities import show
from opsproof.samples import Counter, grown

AGAIN = "SELECT pid, relid::regclass, phase, heap_blks_scanned, heap_blks_total FROM pg_stat_progress_vacuum"
Readings = Mapping[str, list[Counter]]


@dataclass(frozen=True)
class VacuumCost:
    """The vacuums of one table since the statistics began, and for how many seconds one has been running now, or None.

    `took_s` is None before PostgreSQL 18, which is the first to add up their time.
    """

    table: str
    runs: Counter
    took_s: Counter | None
    running_s: float | None

    @property
    def readings(self) -> dict[str, Counter]:
        """What a later run needs in order to know what happened since this one."""
        if self.took_s is None:
            return {}
        return {f"vacuums {self.table}": self.runs, f"vacuum seconds {self.table}": self.took_s}

    def mean_s(self, earlier: Readings) -> float | None:
        """Seconds of a vacuum on average, of those since the last of the `earlier` runs; None without any."""
        if self.took_s is None:
            return None
        runs = grown(self.runs, earlier[f"vacuums {self.table}"])
        return grown(self.took_s, earlier[f"vacuum seconds {self.table}"]) / runs if runs else None

    def longest_s(self, earlier: Readings) -> float:
        """Of the vacuum that runs, and of the others on average; 0 where nothing is known."""
        return max(self.running_s or 0.0, self.mean_s(earlier) or 0.0)

    def line(self, earlier: Readings) -> str:
        """It in words."""
        mean = self.mean_s(earlier)
        took = "" if mean is None else f"{show(mean, 'seconds')} each since the last run"
        now = "" if self.running_s is None else f"one has been running for {show(self.running_s, 'seconds')}"
        return f"{self.table}: {', '.join(each for each in (took, now) if each)}"


@dataclass(frozen=True)
class DatabaseVacuums:
    """The largest tables that were vacuumed, and all that are."""

    tables: tuple[VacuumCost, ...]

    @property
    def readings(self) -> dict[str, Counter]:
        """What a later run needs in order to know what happened since this one."""
        return {name: reading for each in self.tables for name, reading in each.readings.items()}

    def longest_s(self, earlier: Readings) -> float:
        """The longest time that the vacuum of a table takes, in seconds."""
        return max((each.longest_s(earlier) for each in self.tables), default=0.0)

    def lines(self, earlier: Readings) -> list[str]:
        """Those that take longest, in words, and the query that shows what runs."""
        ranked = sorted(self.tables, key=lambda each: -each.longest_s(earlier))
        known = [each.line(earlier) for each in ranked if each.longest_s(earlier)]
        return [*known[:SHOWN], f"again: {AGAIN}"]


class VacuumCosts(SqlFact[DatabaseVacuums]):
    """How long vacuums take: those that run, on every release, and from 18 on those that came to their end.

    https://www.postgresql.org/docs/18/monitoring-stats.html#MONITORING-PG-STAT-ALL-TABLES-VIEW
    """

    sql = sql_file("vacuum_costs")

    def parse(self, result: Result, database: Database) -> DatabaseVacuums:
        """One row without a table says that none was vacuumed."""
        rows = result.require()
        if not rows:
            raise OutputError("the server does not say since when it counts")
        if not all(everything for everything, *_ in rows):
            raise MeasurementError(BLIND)
        return DatabaseVacuums(tuple(_cost(row) for row in rows if row[1] is not None))


def _cost(row: list[Any]) -> VacuumCost:
    _, table, runs, took_ms, running_s, since, now = row
    took = None if took_ms is None else Counter(float(took_ms) / 1000, float(since), float(now), shared=True)
    return VacuumCost(table, Counter(int(runs), float(since), float(now), shared=True), took, running_s)
