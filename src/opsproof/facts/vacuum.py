"""Whether tables are vacuumed and analyzed, and which sessions or slots hold VACUUM back."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opsproof.core import scripts
from opsproof.core.ages import is_ahead
from opsproof.core.counters import Counter, goes_on
from opsproof.core.errors import MeasurementError, OutputError
from opsproof.core.limits import Estimate
from opsproof.core.units import show
from opsproof.facts.base import SqlFact
from opsproof.facts.findings import Findings, privileged_rows
from opsproof.facts.indexes import Epoch
from opsproof.facts.sessions import NEEDS_PG_MONITOR
from opsproof.inventory.resources import Database
from opsproof.postgres.connection import Result

DEAD_QUERY = "SELECT relname, n_live_tup, n_dead_tup, last_autovacuum FROM pg_stat_all_tables ORDER BY n_dead_tup DESC"
VACUUMED_QUERY = "SELECT relname, last_vacuum, last_autovacuum FROM pg_stat_all_tables WHERE n_dead_tup > 0"
CHANGED_QUERY = "SELECT relname, n_mod_since_analyze, last_autoanalyze FROM pg_stat_user_tables ORDER BY 2 DESC"
OPTIONS_QUERY = "SELECT relname, reloptions FROM pg_class WHERE reloptions::text LIKE '%autovacuum%'"
AGES_QUERY = "SELECT oid::regclass, age(relfrozenxid) FROM pg_class WHERE relfrozenxid <> '0' ORDER BY 2 DESC"
HOLDS_QUERY = (
    "SELECT pid, state, xact_start, backend_xid, backend_xmin FROM pg_stat_activity"
    " WHERE coalesce(backend_xid, backend_xmin) IS NOT NULL"
)
PATIENCE_S = 600.0
"""Grace time for autovacuum, which wakes every minute."""
Readings = Mapping[str, Sequence[Counter]]


@dataclass(frozen=True)
class Upkeep:
    """A table with vacuum or analyze findings, by the cumulative statistics; ages in seconds.

    `vacuum_at` and `analyze_at` are autovacuum's thresholds of dead and changed rows. `file` is the relfilenode,
    which TRUNCATE changes. `flags` are the findings: ``dead``, ``due``, ``stale``, ``unanalyzed``, ``awaited``
    (autovacuum will analyze soon), ``uncounted``, ``left out`` and ``out of reach``.
    """

    table: str
    is_toast: bool
    live: int
    dead: int
    vacuum_at: int
    changed: int
    analyze_at: int
    vacuum_age_s: float | None
    file: int
    flags: tuple[str, ...]

    @property
    def name(self) -> str:
        """Table name; TOAST tables are named after the owner."""
        return f"{self.table} (TOAST)" if self.is_toast else self.table

    def reading(self, epoch: Epoch) -> Counter:
        """A counter from which later runs derive how long the table has waited."""
        return Counter(self.file, epoch.since, epoch.now)

    def waits_s(self, epoch: Epoch, earlier: Sequence[Counter]) -> tuple[float, float]:
        """Least and greatest possible waiting time, by `earlier` runs that found the table waiting."""
        reading = self.reading(epoch)
        found = [each.now for each in earlier if each.value == self.file and goes_on(each, reading)]
        return epoch.now - min(found, default=epoch.now), epoch.now - epoch.since

    def vacuum_span_s(self, epoch: Epoch, earlier: Sequence[Counter] = ()) -> tuple[float, float]:
        """Least and greatest possible time since the last vacuum; without a counted vacuum, the waiting time."""
        if self.vacuum_age_s is None:
            return self.waits_s(epoch, earlier)
        return self.vacuum_age_s, self.vacuum_age_s

    @property
    def dead_share(self) -> float:
        """Dead rows in percent of all rows."""
        return 100 * self.dead / (self.live + self.dead) if self.dead else 0.0

    @property
    def changed_share(self) -> float:
        """Rows changed since the last ANALYZE, in percent of live rows."""
        return 100 * self.changed / max(self.live, 1)

    def __str__(self) -> str:
        age = "never" if self.vacuum_age_s is None else f"{show(self.vacuum_age_s, 'seconds')} ago"
        return (
            f"{self.name}: {self.live} rows; {self.dead} dead (autovacuum at {self.vacuum_at}), last vacuum {age};"
            f" {self.changed} changed since the last ANALYZE (next at {self.analyze_at})"
        )


@dataclass(frozen=True)
class DueTables(Findings[Upkeep]):
    """Tables with the same finding."""

    @property
    def tables(self) -> list[str]:
        """Distinct table names; the owner for a TOAST table."""
        return list(dict.fromkeys(each.table for each in self.rows))


@dataclass(frozen=True)
class DatabaseUpkeep:
    """Tables of a database with vacuum or analyze findings."""

    tables: tuple[Upkeep, ...]

    def _flagged(self, flag: str) -> list[Upkeep]:
        return [each for each in self.tables if flag in each.flags]

    @property
    def dead(self) -> DueTables:
        """Tables with 10,000 dead rows or more, overdue for autovacuum."""
        return DueTables(tuple(sorted(self._flagged("dead"), key=lambda each: -each.dead_share)), DEAD_QUERY)

    @property
    def dead_share(self) -> float:
        """Largest share of dead rows among overdue tables, in percent."""
        return max((each.dead_share for each in self.dead.rows), default=0.0)

    @property
    def backlog(self) -> float:
        """Most dead rows relative to autovacuum's threshold, in percent."""
        return max((100 * each.dead / max(each.vacuum_at, 1) for each in self.dead.rows), default=0.0)

    @property
    def overdue(self) -> DueTables:
        """Tables over autovacuum's thresholds: never vacuumed first, then the longest ago."""
        due = sorted(
            self._flagged("due"), key=lambda each: -(math.inf if each.vacuum_age_s is None else each.vacuum_age_s)
        )
        return DueTables(tuple(due), VACUUMED_QUERY)

    def vacuum_readings(self, epoch: Epoch) -> dict[str, Counter]:
        """Counters of overdue tables that were never vacuumed, for later runs."""
        return {_due(each): each.reading(epoch) for each in self.overdue.rows if each.vacuum_age_s is None}

    def vacuum_age_s(self, epoch: Epoch, earlier: Readings) -> float | Estimate:
        """Longest time since a vacuum of an overdue table, in seconds; a range if no vacuum was counted."""
        spans = [each.vacuum_span_s(epoch, earlier.get(_due(each), ())) for each in self.overdue.rows]
        low, high = (max((span[end] for span in spans), default=0.0) for end in (0, 1))
        why = f"{self.overdue.rows[0].name} was not vacuumed since the last statistics reset" if spans else ""
        return low if low == high else Estimate(low, high, why)

    @property
    def left_out(self) -> DueTables:
        """Tables with autovacuum_enabled = off, or with an unreachable threshold."""
        found = dict.fromkeys((*self._flagged("left out"), *self._flagged("out of reach")))
        return DueTables(tuple(found), OPTIONS_QUERY)

    @property
    def out_of_reach(self) -> DueTables:
        """Tables that autovacuum never reaches: the threshold exceeds ten million, and ten times the rows."""
        return DueTables(tuple(self._flagged("out of reach")), OPTIONS_QUERY)

    @property
    def stale(self) -> DueTables:
        """Tables with 10,000 changed rows overdue for ANALYZE; partitioned tables by change in size."""
        return DueTables(tuple(sorted(self._flagged("stale"), key=lambda each: -each.changed_share)), CHANGED_QUERY)

    @property
    def changed_share(self) -> float:
        """Largest share of changed rows among stale tables, in percent."""
        return max((each.changed_share for each in self.stale.rows), default=0.0)

    @property
    def unanalyzed(self) -> DueTables:
        """Tables without planner statistics, of 1,000 rows or 1 MiB or more; partitioned tables included."""
        return DueTables((*self._flagged("unanalyzed"), *self._flagged("awaited")), CHANGED_QUERY)

    def analyze_readings(self, epoch: Epoch) -> dict[str, Counter]:
        """Counters of tables that autovacuum will analyze soon, for later runs."""
        return {f"unanalyzed {each.name}": each.reading(epoch) for each in self._flagged("awaited")}

    def unanalyzed_count(self, epoch: Epoch, earlier: Readings) -> int | Estimate:
        """Number of unanalyzed tables; a range if autovacuum may analyze some within a minute."""
        known, awaited = len(self._flagged("unanalyzed")), self._flagged("awaited")
        fresh = [
            each for each in awaited if each.waits_s(epoch, earlier.get(f"unanalyzed {each.name}", ()))[0] < PATIENCE_S
        ]
        if not fresh:
            return known + len(awaited)
        why = f"{fresh[0].name} may have been filled just now: retry in a minute"
        return Estimate(known + len(awaited) - len(fresh), known + len(awaited), why)

    @property
    def uncounted(self) -> list[Upkeep]:
        """Tables with lost counters."""
        return self._flagged("uncounted")

    def require_counted(self, *, toast: bool = True) -> None:
        """Checks that no table has lost its counters; `toast` includes TOAST tables.

        Raises:
            MeasurementError: counters are lost.
        """
        if gone := [each for each in self.uncounted if toast or not each.is_toast]:
            names = ", ".join(each.name for each in gone[:3])
            raise MeasurementError(
                f"counters of {len(gone)} tables were lost in a crash, upgrade or reset: {names}; run VACUUM (ANALYZE)"
            )


class TableUpkeep(SqlFact[DatabaseUpkeep]):
    """Dead and changed rows of every table and TOAST table, relative to autovacuum's thresholds.

    https://www.postgresql.org/docs/current/routine-vacuuming.html#AUTOVACUUM
    """

    sql = scripts.sql("facts/table_upkeep")

    def parse(self, result: Result, database: Database) -> DatabaseUpkeep:
        """No row is a valid answer: no table has findings."""
        return DatabaseUpkeep(tuple(map(_upkeep, privileged_rows(result))))


def _upkeep(row: list[Any]) -> Upkeep:
    table, is_toast, live, dead, vacuum_at, changed, analyze_at, age, file, flags = row
    counts = (int(live), int(dead), int(vacuum_at), int(changed), int(analyze_at))
    known = age is not None and not is_ahead(-age, 0.0)
    return Upkeep(table, is_toast, *counts, float(age) if known else None, int(file), tuple(flags))


def _due(table: Upkeep) -> str:
    return f"due {table.name}"


@dataclass(frozen=True)
class Age:
    """Transactions and multixacts since a database, or a table of the current database, was last frozen."""

    kind: str
    name: str
    transactions: int
    multixacts: int

    def __str__(self) -> str:
        return f"{self.kind} {self.name}: transaction age {self.transactions}, multixact age {self.multixacts}"


@dataclass(frozen=True)
class ServerAges:
    """Databases of a server, and the oldest tables of the current database."""

    found: Findings[Age]

    @property
    def transactions(self) -> int:
        """Age of the oldest database, in transactions."""
        return max(each.transactions for each in self.found.rows)

    @property
    def multixacts(self) -> int:
        """Age of the oldest database, in multixacts."""
        return max(each.multixacts for each in self.found.rows)


class TransactionAges(SqlFact[ServerAges]):
    """Transactions since each database was last frozen; one database out of IDs stops the whole server.

    https://www.postgresql.org/docs/current/routine-vacuuming.html#VACUUM-FOR-WRAPAROUND
    """

    sql = """
        SELECT * FROM (
            SELECT 'database', datname, age(datfrozenxid) AS transactions, mxid_age(datminmxid) AS multixacts
              FROM pg_database
            UNION ALL
            (SELECT 'table', nspname || '.' || relname, age(relfrozenxid), mxid_age(relminmxid)
               FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
              WHERE relkind IN ('r', 'm', 't') AND relfrozenxid <> '0'
              ORDER BY age(relfrozenxid) DESC LIMIT 5)
        ) AS aged
         ORDER BY greatest(transactions, multixacts) DESC
    """

    def parse(self, result: Result, database: Database) -> ServerAges:
        """The current database is always listed."""
        rows = [Age(kind, name, int(xids), int(multixacts)) for kind, name, xids, multixacts in result.require()]
        if not rows:
            raise OutputError("pg_database is empty: even the current database is missing")
        return ServerAges(Findings(tuple(rows), AGES_QUERY))


@dataclass(frozen=True)
class Hold:
    """A session, prepared transaction, slot or standby that needs old row versions; `since_s` is the age, if known.

    `of_users` is the age in transactions for user tables: None if only catalogs are held, as by a logical slot.
    """

    kind: str
    who: str
    transactions: int
    since_s: float | None
    of_users: int | None = None

    def __str__(self) -> str:
        since = "for an unknown time" if self.since_s is None else f"for {show(self.since_s, 'seconds')}"
        return f"{self.kind} {self.who}: {since}, {self.transactions} transactions"


@dataclass(frozen=True)
class Horizon:
    """The sessions, transactions, slots and standbys that keep VACUUM from removing dead rows in a database."""

    holds: tuple[Hold, ...]

    @property
    def found(self) -> Findings[Hold]:
        """All holds, the longest first."""
        return Findings(self.holds, HOLDS_QUERY)

    @property
    def held_s(self) -> float:
        """Longest known hold, in seconds."""
        return max((each.since_s for each in self.holds if each.since_s is not None), default=0.0)

    @property
    def replica_transactions(self) -> int:
        """Age in transactions of the oldest hold by a slot or standby: no server reports the time reliably."""
        ages = [each.transactions for each in self.holds if each.kind in ("slot", "standby")]
        return max(ages, default=0)


class VacuumHorizons(SqlFact[Horizon]):
    """Sessions, prepared transactions, slots and standbys that keep VACUUM from removing dead rows."""

    sql = scripts.sql("facts/vacuum_holds")

    def parse(self, result: Result, database: Database) -> Horizon:
        """A row without a kind means no holds."""
        rows = result.require()
        if not rows:
            raise OutputError("no answer about vacuum horizons")
        if not all(everything for everything, *_ in rows):
            raise MeasurementError(NEEDS_PG_MONITOR)
        holds = [Hold(kind, who, int(count), *more) for _, kind, who, count, *more in rows if kind is not None]
        if timeless := [each for each in holds if each.since_s is None and each.kind not in ("slot", "standby")]:
            raise OutputError(f"{timeless[0].kind} {timeless[0].who} has no start time")
        return Horizon(tuple(holds))
