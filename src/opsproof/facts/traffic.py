"""Activity counters of a database: blocks, temporary files, deadlocks, transactions."""

from collections.abc import Mapping
from dataclasses import dataclass

from opsproof.core import scripts
from opsproof.core.counters import Counter, Growth, growths, increase_since, within
from opsproof.core.errors import MeasurementError
from opsproof.core.limits import AtLeast, Estimate
from opsproof.core.units import show
from opsproof.facts.base import SqlFact
from opsproof.facts.findings import require_counting
from opsproof.inventory.resources import Database
from opsproof.postgres.connection import Result

BLOCKS, TRANSACTIONS = 1_000_000, 1000
"""Shares of less activity since the last run are unreliable: a fresh server reads every block from disk once."""
NAMES = (
    "blocks found in memory",
    "blocks read",
    "temporary files",
    "temporary bytes",
    "deadlocks",
    "transactions committed",
    "transactions rolled back",
)
HOUR_S, DAY_S = 3600.0, 86400.0
Readings = Mapping[str, list[Counter]]


@dataclass(frozen=True)
class Traffic:
    """Counters of a database by name, with growth since `earlier` runs."""

    counters: dict[str, Counter]

    def hits(self, earlier: Readings) -> float | Estimate | None:
        """Percentage of blocks found in shared buffers; None with too little traffic.

        Raises:
            MeasurementError: a statistics reset hides how much traffic passed.
        """
        return self._share("blocks found in memory", "blocks read", BLOCKS, earlier)

    def rollbacks(self, earlier: Readings) -> float | Estimate | None:
        """Percentage of transactions rolled back; None with too little traffic.

        Raises:
            MeasurementError: a statistics reset hides how much traffic passed.
        """
        return self._share("transactions rolled back", "transactions committed", TRANSACTIONS, earlier)

    def _share(self, name: str, other: str, least: int, earlier: Readings) -> float | Estimate | None:
        pairs = [(each.amounts[name], each.amounts[name] + each.amounts[other]) for each in self._growths(earlier)]
        shares = [100 * part / whole for part, whole in pairs if whole >= least]
        if shares and len(shares) < len(pairs):
            raise MeasurementError("the statistics were reset since the last run: traffic is unknown")
        return within(shares) if shares else None

    def deadlocks(self, earlier: Readings) -> float | Estimate | AtLeast:
        """Deadlocks since the last run."""
        return increase_since(self.counters["deadlocks"], next(iter(earlier["deadlocks"][-1:]), None))

    def deadlocks_an_hour(self, earlier: Readings) -> float | Estimate:
        """Deadlocks per hour since the last run; shorter spans count as an hour."""
        return self._rate("deadlocks", earlier, HOUR_S)

    def temporary_bytes(self, earlier: Readings) -> float | Estimate:
        """Bytes of temporary files per day since the last run; shorter spans count as a day."""
        return self._rate("temporary bytes", earlier, DAY_S)

    def _rate(self, name: str, earlier: Readings, span_s: float) -> float | Estimate:
        now = self.counters[name].now
        return within(each.amounts[name] * span_s / max(now - each.since, span_s) for each in self._growths(earlier))

    def _growths(self, earlier: Readings) -> list[Growth]:
        return growths(self.counters, earlier)

    def evidence(self, earlier: Readings, *names: str) -> list[str]:
        """Growth of `names` with the time span; one line for each reading of an ambiguous count."""
        now = self.counters[names[0]].now
        return [
            f"in {show(now - each.since, 'seconds')}: "
            + ", ".join(f"{each.amounts[name]:.0f} {name}" for name in names)
            for each in self._growths(earlier)
        ]


class DatabaseTraffic(SqlFact[Traffic]):
    """Counters of pg_stat_database."""

    sql = scripts.sql("facts/database_counters")

    def parse(self, result: Result, database: Database) -> Traffic:
        """Each counter since the last statistics reset."""
        ((*values, since, now, counting),) = result.require()
        require_counting(counting)
        reborn = "the statistics were reset"
        counters = {
            name: Counter(int(value), float(since), float(now), reborn=reborn, shared=True)
            for name, value in zip(NAMES, values, strict=True)
        }
        return Traffic(counters)
