"""What a database counts of its own work: blocks, temporary files, deadlocks, transactions."""

from dataclasses import dataclass

from opsproof.database import Result
from opsproof.errors import MeasurementError
from opsproof.fact import SqlFact, sql_file
from opsproof.limits import AtLeast, Estimate
from opsproof.nouns import Database
from opsproof.quantities import show
from opsproof.samples import Counter, grown, increase_since

BLOCKS, TRANSACTIONS = 1_000_000, 1000
"""With less than this since the last run a share of it says little: a server that started anew reads all once."""
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


@dataclass(frozen=True)
class Traffic:
    """Counters of a database by name, and what they grew by since a run that had read `earlier` ones."""

    counters: dict[str, Counter]

    def grown(self, name: str, earlier: dict[str, list[Counter]]) -> float:
        """How much a counter grew since the last run, or since the statistics began."""
        return grown(self.counters[name], earlier.get(name, []))

    def hits(self, earlier: dict[str, list[Counter]]) -> float | None:
        """Percentage of the blocks that were found in shared buffers; None with too little traffic."""
        return self._share("blocks found in memory", "blocks read", BLOCKS, earlier)

    def rollbacks(self, earlier: dict[str, list[Counter]]) -> float | None:
        """Percentage of the transactions that were rolled back; None with too little traffic."""
        return self._share("transactions rolled back", "transactions committed", TRANSACTIONS, earlier)

    def _share(self, name: str, other: str, least: int, earlier: dict[str, list[Counter]]) -> float | None:
        part = self.grown(name, earlier)
        whole = part + self.grown(other, earlier)
        return 100 * part / whole if whole >= least else None

    def deadlocks(self, earlier: dict[str, list[Counter]]) -> float | Estimate | AtLeast:
        """Deadlocks since the last run."""
        return increase_since(self.counters["deadlocks"], next(iter(earlier["deadlocks"][-1:]), None))

    def deadlocks_an_hour(self, earlier: dict[str, list[Counter]]) -> float:
        """Deadlocks for each hour since the last run; a run is taken to be an hour ago at least."""
        return self._rate("deadlocks", earlier, HOUR_S)

    def temporary_bytes(self, earlier: dict[str, list[Counter]]) -> float:
        """Bytes of temporary files for each day since the last run; a run is taken to be an hour ago at least."""
        return self._rate("temporary bytes", earlier, DAY_S)

    def _rate(self, name: str, earlier: dict[str, list[Counter]], span_s: float) -> float:
        counter = self.counters[name]
        since = earlier[name][-1].now if earlier.get(name) else counter.born
        return self.grown(name, earlier) * span_s / max(counter.now - since, HOUR_S)

    def evidence(self, earlier: dict[str, list[Counter]], *names: str) -> list[str]:
        """What was counted under `names`, and over which time."""
        since = min(
            (earlier[each][-1].now for each in names if earlier.get(each)), default=self.counters[names[0]].born
        )
        span = show(self.counters[names[0]].now - since, "seconds")
        return [f"in {span}: " + ", ".join(f"{self.grown(each, earlier):.0f} {each}" for each in names)]


class DatabaseTraffic(SqlFact[Traffic]):
    """The counters of pg_stat_database."""

    sql = sql_file("database_counters")

    def parse(self, result: Result, database: Database) -> Traffic:
        """Each counter since the statistics began."""
        ((*values, since, now, counting),) = result.require()
        if not counting:
            raise MeasurementError("track_counts is off, so that nothing is counted")
        reborn = "the statistics were reset"
        counters = {
            name: Counter(int(value), float(since), float(now), reborn=reborn, shared=True)
            for name, value in zip(NAMES, values, strict=True)
        }
        return Traffic(counters)
