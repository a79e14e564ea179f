"""Duration of vacuums by table."""

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
from opsproof.facts.sessions import NEEDS_PG_MONITOR
from opsproof.inventory.resources import Database
from opsproof.postgres.connection import Result

QUERY = "SELECT pid, relid::regclass, phase, heap_blks_scanned, heap_blks_total FROM pg_stat_progress_vacuum"
Readings = Mapping[str, list[Counter]]


@dataclass(frozen=True)
class VacuumCost:
    """Vacuums of one table since the last statistics reset; `running_s` is the age of a running vacuum, or None.

    `took_s` is None before PostgreSQL 18, the first version to record vacuum times.
    """

    table: str
    runs: Counter
    took_s: Counter | None
    running_s: float | None

    @property
    def readings(self) -> dict[str, Counter]:
        """Counters for comparison by later runs."""
        if self.took_s is None:
            return {}
        return {f"vacuums {self.table}": self.runs, f"vacuum seconds {self.table}": self.took_s}

    def means_s(self, earlier: Readings) -> list[float]:
        """Mean seconds of a vacuum since the last of the `earlier` runs; empty if unknown, several if ambiguous."""
        found = [each.amounts.values() for each in growths(self.readings, earlier)] if self.readings else []
        return [took_s / runs for runs, took_s in found if runs]

    def longest_s(self, earlier: Readings) -> tuple[float, float]:
        """Least and greatest estimate of running and finished vacuums, in seconds; 0 if unknown."""
        means, running = self.means_s(earlier) or [0.0], self.running_s or 0.0
        return max(running, min(means)), max(running, *means)

    def line(self, earlier: Readings) -> str:
        """Mean duration of finished vacuums and duration of a running vacuum, as text."""
        took = [f"{show(each, 'seconds')} on average since the last run" for each in self.means_s(earlier)[:1]]
        now = [] if self.running_s is None else [f"running for {show(self.running_s, 'seconds')}"]
        return f"{self.table}: {', '.join(took + now)}"


@dataclass(frozen=True)
class DatabaseVacuums:
    """The largest vacuumed tables, and all tables under vacuum now."""

    tables: tuple[VacuumCost, ...]

    @property
    def readings(self) -> dict[str, Counter]:
        """Counters for comparison by later runs."""
        return {name: reading for each in self.tables for name, reading in each.readings.items()}

    def longest_s(self, earlier: Readings) -> float | Estimate:
        """Longest vacuum time of a table, in seconds."""
        spans = [each.longest_s(earlier) for each in self.tables]
        return within(max((span[end] for span in spans), default=0.0) for end in (0, 1))

    def lines(self, earlier: Readings) -> list[str]:
        """The longest vacuums as text, then a query for running vacuums."""
        ranked = sorted(self.tables, key=lambda each: -each.longest_s(earlier)[1])
        known = [each.line(earlier) for each in ranked if each.longest_s(earlier)[1]]
        return [*known[:SHOWN], f"query: {QUERY}"]


class VacuumCosts(SqlFact[DatabaseVacuums]):
    """Duration of vacuums: running ones on every version, finished ones from PostgreSQL 18 on.

    https://www.postgresql.org/docs/18/monitoring-stats.html#MONITORING-PG-STAT-ALL-TABLES-VIEW
    """

    sql = scripts.sql("facts/vacuum_costs")

    def parse(self, result: Result, database: Database) -> DatabaseVacuums:
        """A row without a table means no vacuums."""
        rows = result.require()
        if not rows:
            raise OutputError("no answer about the start of the statistics")
        if not all(everything for everything, *_ in rows):
            raise MeasurementError(NEEDS_PG_MONITOR)
        require_counting(all(counting for *_, counting in rows))
        return DatabaseVacuums(tuple(_cost(row) for row in rows if row[1] is not None))


def _cost(row: list[Any]) -> VacuumCost:
    _, table, runs, took_ms, running_s, since, now, _ = row
    took = None if took_ms is None else Counter(float(took_ms) / 1000, float(since), float(now), shared=True)
    return VacuumCost(table, Counter(int(runs), float(since), float(now), shared=True), took, running_s)
