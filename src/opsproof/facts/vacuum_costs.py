"""What vacuuming costs: how long it takes, table by table."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opsproof.core import scripts
from opsproof.core.counters import Counter, growths, within
from opsproof.core.errors import MeasurementError, OutputError
from opsproof.core.limits import Estimate
from opsproof.core.units import show
from opsproof.facts.base import SqlFact
from opsproof.facts.findings import SHOWN, require_counting
from opsproof.facts.sessions import BLIND
from opsproof.inventory.resources import Database
from opsproof.postgres.connection import Result

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

    def means_s(self, earlier: Readings) -> list[float]:
        """Seconds of a vacuum on average since the last of the `earlier` runs: none, or each way to read it."""
        found = [each.amounts.values() for each in growths(self.readings, earlier)] if self.readings else []
        return [took_s / runs for runs, took_s in found if runs]

    def longest_s(self, earlier: Readings) -> tuple[float, float]:
        """The least and the most that it can be, of the one that runs and of the others; 0 where nothing is known."""
        means, running = self.means_s(earlier) or [0.0], self.running_s or 0.0
        return max(running, min(means)), max(running, *means)

    def line(self, earlier: Readings) -> str:
        """It in words."""
        took = [f"{show(each, 'seconds')} each since the last run" for each in self.means_s(earlier)[:1]]
        now = [] if self.running_s is None else [f"one has been running for {show(self.running_s, 'seconds')}"]
        return f"{self.table}: {', '.join(took + now)}"


@dataclass(frozen=True)
class DatabaseVacuums:
    """The largest tables that were vacuumed, and all that are."""

    tables: tuple[VacuumCost, ...]

    @property
    def readings(self) -> dict[str, Counter]:
        """What a later run needs in order to know what happened since this one."""
        return {name: reading for each in self.tables for name, reading in each.readings.items()}

    def longest_s(self, earlier: Readings) -> float | Estimate:
        """The longest time that the vacuum of a table takes, in seconds."""
        spans = [each.longest_s(earlier) for each in self.tables]
        return within(max((span[end] for span in spans), default=0.0) for end in (0, 1))

    def lines(self, earlier: Readings) -> list[str]:
        """Those that take longest, in words, and the query that shows what runs."""
        ranked = sorted(self.tables, key=lambda each: -each.longest_s(earlier)[1])
        known = [each.line(earlier) for each in ranked if each.longest_s(earlier)[1]]
        return [*known[:SHOWN], f"again: {AGAIN}"]


class VacuumCosts(SqlFact[DatabaseVacuums]):
    """How long vacuums take: those that run, on every release, and from 18 on those that came to their end.

    https://www.postgresql.org/docs/18/monitoring-stats.html#MONITORING-PG-STAT-ALL-TABLES-VIEW
    """

    sql = scripts.sql("facts/vacuum_costs")

    def parse(self, result: Result, database: Database) -> DatabaseVacuums:
        """One row without a table says that none was vacuumed."""
        rows = result.require()
        if not rows:
            raise OutputError("the server does not say since when it counts")
        if not all(everything for everything, *_ in rows):
            raise MeasurementError(BLIND)
        require_counting(all(counting for *_, counting in rows))
        return DatabaseVacuums(tuple(_cost(row) for row in rows if row[1] is not None))


def _cost(row: list[Any]) -> VacuumCost:
    _, table, runs, took_ms, running_s, since, now, _ = row
    took = None if took_ms is None else Counter(float(took_ms) / 1000, float(since), float(now), shared=True)
    return VacuumCost(table, Counter(int(runs), float(since), float(now), shared=True), took, running_s)
