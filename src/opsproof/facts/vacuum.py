"""Whether tables are vacuumed and analyzed, and what keeps VACUUM from being of use."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opsproof.core import scripts
from opsproof.core.counters import Counter, goes_on
from opsproof.core.errors import MeasurementError, OutputError
from opsproof.core.limits import Estimate
from opsproof.core.units import show
from opsproof.facts.base import SqlFact
from opsproof.facts.findings import Findings, granted
from opsproof.facts.indexes import Epoch
from opsproof.facts.sessions import BLIND
from opsproof.inventory.resources import Database
from opsproof.postgres.connection import Result

DEAD_AGAIN = "SELECT relname, n_live_tup, n_dead_tup, last_autovacuum FROM pg_stat_all_tables ORDER BY n_dead_tup DESC"
VACUUMED_AGAIN = "SELECT relname, last_vacuum, last_autovacuum FROM pg_stat_all_tables WHERE n_dead_tup > 0"
CHANGED_AGAIN = "SELECT relname, n_mod_since_analyze, last_autoanalyze FROM pg_stat_user_tables ORDER BY 2 DESC"
OPTIONS_AGAIN = "SELECT relname, reloptions FROM pg_class WHERE reloptions::text LIKE '%autovacuum%'"
AGES_AGAIN = "SELECT oid::regclass, age(relfrozenxid) FROM pg_class WHERE relfrozenxid <> '0' ORDER BY 2 DESC"
HOLDS_AGAIN = (
    "SELECT pid, state, xact_start, backend_xid, backend_xmin FROM pg_stat_activity"
    " WHERE coalesce(backend_xid, backend_xmin) IS NOT NULL"
)
PATIENCE_S = 600.0
"""How long a table may wait for autovacuum, which comes every minute where it is on."""
Readings = Mapping[str, Sequence[Counter]]


@dataclass(frozen=True)
class Upkeep:
    """A table that something is to be said of, as the cumulative statistics count it; ages in seconds.

    `vacuum_at` and `analyze_at` are the rows, dead or changed, at which autovacuum comes. `file` is the number of the
    file that its rows are in, another one once it was emptied. What is to be said are `flags`, of ``dead``, ``due``,
    ``stale``, ``unanalyzed``, ``awaited`` (autovacuum is on its way to analyze it), ``uncounted``, ``left out`` and
    ``out of reach``.
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
        """The table, or whose TOAST table it is."""
        return f"{self.table} (TOAST)" if self.is_toast else self.table

    def reading(self, epoch: Epoch) -> Counter:
        """What a later run needs in order to know that it waits since this one."""
        return Counter(self.file, epoch.since, epoch.now)

    def waits_s(self, epoch: Epoch, earlier: Sequence[Counter]) -> tuple[float, float]:
        """The least and the most that it can have waited, by `earlier` runs that found it waiting."""
        reading = self.reading(epoch)
        found = [each.now for each in earlier if each.value == self.file and goes_on(each, reading)]
        return epoch.now - min(found, default=epoch.now), epoch.now - epoch.since

    def vacuum_span_s(self, epoch: Epoch, earlier: Sequence[Counter] = ()) -> tuple[float, float]:
        """The least and the most that its last vacuum can be ago: one that was never counted, all that time."""
        if self.vacuum_age_s is None:
            return self.waits_s(epoch, earlier)
        return self.vacuum_age_s, self.vacuum_age_s

    @property
    def dead_share(self) -> float:
        """Dead rows in percent of all."""
        return 100 * self.dead / (self.live + self.dead) if self.dead else 0.0

    @property
    def changed_share(self) -> float:
        """Rows changed since the last ANALYZE, in percent of those that live."""
        return 100 * self.changed / max(self.live, 1)

    def __str__(self) -> str:
        age = "never" if self.vacuum_age_s is None else f"{show(self.vacuum_age_s, 'seconds')} ago"
        return (
            f"{self.name}: {self.live} rows; {self.dead} dead, autovacuum comes at {self.vacuum_at}, last {age};"
            f" {self.changed} changed since the last ANALYZE, which comes at {self.analyze_at}"
        )


@dataclass(frozen=True)
class DueTables(Findings[Upkeep]):
    """DueTables that the same is to be said of."""

    @property
    def tables(self) -> list[str]:
        """Their names, those of their owners for TOAST tables, each once."""
        return list(dict.fromkeys(each.table for each in self.rows))


@dataclass(frozen=True)
class DatabaseUpkeep:
    """The tables of a database that something is to be said of."""

    tables: tuple[Upkeep, ...]

    def _flagged(self, flag: str) -> list[Upkeep]:
        return [each for each in self.tables if flag in each.flags]

    @property
    def dead(self) -> DueTables:
        """DueTables with 10,000 dead rows or more, for which autovacuum should have come already."""
        return DueTables(tuple(sorted(self._flagged("dead"), key=lambda each: -each.dead_share)), DEAD_AGAIN)

    @property
    def dead_share(self) -> float:
        """The largest share of dead rows among those tables, in percent."""
        return max((each.dead_share for each in self.dead.rows), default=0.0)

    @property
    def backlog(self) -> float:
        """The most dead rows among those tables against what brings autovacuum, in percent."""
        return max((100 * each.dead / max(each.vacuum_at, 1) for each in self.dead.rows), default=0.0)

    @property
    def overdue(self) -> DueTables:
        """DueTables that autovacuum had to come to: those first that were never vacuumed, then the longest ago."""
        due = sorted(
            self._flagged("due"), key=lambda each: -(math.inf if each.vacuum_age_s is None else each.vacuum_age_s)
        )
        return DueTables(tuple(due), VACUUMED_AGAIN)

    def vacuum_readings(self, epoch: Epoch) -> dict[str, Counter]:
        """Those of them that were never vacuumed, for later runs."""
        return {_due(each): each.reading(epoch) for each in self.overdue.rows if each.vacuum_age_s is None}

    def vacuum_age_s(self, epoch: Epoch, earlier: Readings) -> float | Estimate:
        """The longest time since one of those was vacuumed, in seconds; a range, where no vacuum was counted."""
        spans = [each.vacuum_span_s(epoch, earlier.get(_due(each), ())) for each in self.overdue.rows]
        low, high = (max((span[end] for span in spans), default=0.0) for end in (0, 1))
        why = f"{self.overdue.rows[0].name} was never vacuumed since the statistics began" if spans else ""
        return low if low == high else Estimate(low, high, why)

    @property
    def left_out(self) -> DueTables:
        """DueTables with autovacuum_enabled = off, and those out of its reach."""
        found = dict.fromkeys((*self._flagged("left out"), *self._flagged("out of reach")))
        return DueTables(tuple(found), OPTIONS_AGAIN)

    @property
    def out_of_reach(self) -> DueTables:
        """DueTables with a threshold over ten million and over ten times their rows, which is as good as off."""
        return DueTables(tuple(self._flagged("out of reach")), OPTIONS_AGAIN)

    @property
    def stale(self) -> DueTables:
        """DueTables with 10,000 changed rows for which an ANALYZE should have come; partitioned ones by their size."""
        return DueTables(tuple(sorted(self._flagged("stale"), key=lambda each: -each.changed_share)), CHANGED_AGAIN)

    @property
    def changed_share(self) -> float:
        """The largest share of changed rows among those tables, in percent."""
        return max((each.changed_share for each in self.stale.rows), default=0.0)

    @property
    def unanalyzed(self) -> DueTables:
        """DueTables of 1,000 rows or of 1 MiB, partitioned ones among them, that the planner knows nothing of."""
        return DueTables((*self._flagged("unanalyzed"), *self._flagged("awaited")), CHANGED_AGAIN)

    def analyze_readings(self, epoch: Epoch) -> dict[str, Counter]:
        """Those of them that autovacuum is on its way to, for later runs."""
        return {f"unanalyzed {each.name}": each.reading(epoch) for each in self._flagged("awaited")}

    def unanalyzed_count(self, epoch: Epoch, earlier: Readings) -> int | Estimate:
        """How many those are; a range, where autovacuum may be there within a minute."""
        known, awaited = len(self._flagged("unanalyzed")), self._flagged("awaited")
        fresh = [
            each for each in awaited if each.waits_s(epoch, earlier.get(f"unanalyzed {each.name}", ()))[0] < PATIENCE_S
        ]
        if not fresh:
            return known + len(awaited)
        why = f"{fresh[0].name} may have been filled just now, look again in a minute"
        return Estimate(known + len(awaited) - len(fresh), known + len(awaited), why)

    @property
    def uncounted(self) -> list[Upkeep]:
        """DueTables whose counters are gone."""
        return self._flagged("uncounted")

    def require_counted(self, *, toast: bool = True) -> None:
        """Nothing can be said of a table whose counters are gone; TOAST tables, without `toast`, do not matter.

        Raises:
            MeasurementError: there is one.
        """
        if gone := [each for each in self.uncounted if toast or not each.is_toast]:
            names = ", ".join(each.name for each in gone[:3])
            raise MeasurementError(
                f"the server has lost its counters of {len(gone)} tables, {names}: a crash, an upgrade or a reset;"
                " run VACUUM (ANALYZE)"
            )


class TableUpkeep(SqlFact[DatabaseUpkeep]):
    """Dead and changed rows of every table and TOAST table, against what brings autovacuum to it.

    https://www.postgresql.org/docs/current/routine-vacuuming.html#AUTOVACUUM
    """

    sql = scripts.sql("facts/table_upkeep")

    def parse(self, result: Result, database: Database) -> DatabaseUpkeep:
        """No row is good: it means that nothing is to be said of any table."""
        return DatabaseUpkeep(tuple(map(_upkeep, granted(result))))


def _upkeep(row: list[Any]) -> Upkeep:
    table, is_toast, live, dead, vacuum_at, changed, analyze_at, age, file, flags = row
    counts = (int(live), int(dead), int(vacuum_at), int(changed), int(analyze_at))
    return Upkeep(table, is_toast, *counts, None if age is None else float(age), int(file), tuple(flags))


def _due(table: Upkeep) -> str:
    return f"due {table.name}"


@dataclass(frozen=True)
class Age:
    """How many transactions ago a database, or a table of the asked one, was last frozen."""

    kind: str
    name: str
    transactions: int
    multixacts: int

    def __str__(self) -> str:
        return f"{self.kind} {self.name}: {self.transactions} transactions, {self.multixacts} multixacts"


@dataclass(frozen=True)
class ServerAges:
    """The databases of a server, and the oldest tables of the asked one."""

    found: Findings[Age]

    @property
    def transactions(self) -> int:
        """Of the oldest database."""
        return max(each.transactions for each in self.found.rows)

    @property
    def multixacts(self) -> int:
        """Of the database that is oldest by them."""
        return max(each.multixacts for each in self.found.rows)


class TransactionAges(SqlFact[ServerAges]):
    """Transactions since each database of the server was frozen: one that is out of IDs stops them all.

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
        """The asked database at least is there."""
        rows = [Age(kind, name, int(xids), int(multixacts)) for kind, name, xids, multixacts in result.require()]
        if not rows:
            raise OutputError("pg_database shows no database, not even this one")
        return ServerAges(Findings(tuple(rows), AGES_AGAIN))


@dataclass(frozen=True)
class Hold:
    """What still needs row versions that are dead since; `since_s` is how long, where the server knows.

    `of_users` are the transactions since which it needs those of users' tables: None where it is those of the catalogs
    alone, as for a slot of logical decoding.
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
    """Everything that holds back the removal of dead rows in a database."""

    holds: tuple[Hold, ...]

    @property
    def found(self) -> Findings[Hold]:
        """The longest first."""
        return Findings(self.holds, HOLDS_AGAIN)

    @property
    def held_s(self) -> float:
        """The longest known time that one has held it, in seconds."""
        return max((each.since_s for each in self.holds if each.since_s is not None), default=0.0)

    @property
    def replica_transactions(self) -> int:
        """The most transactions ago that a slot or a standby still needs: since when, no server knows for sure."""
        ours = [each.transactions for each in self.holds if each.kind in ("slot", "standby")]
        return max(ours, default=0)


class VacuumHorizons(SqlFact[Horizon]):
    """Sessions, prepared transactions, slots and standbys that keep VACUUM from removing dead rows."""

    sql = scripts.sql("facts/vacuum_holds")

    def parse(self, result: Result, database: Database) -> Horizon:
        """One row without a kind says that nothing is held."""
        rows = result.require()
        if not rows:
            raise OutputError("the server does not say who holds what")
        if not all(everything for everything, *_ in rows):
            raise MeasurementError(BLIND)
        holds = [Hold(kind, who, int(count), *more) for _, kind, who, count, *more in rows if kind is not None]
        if timeless := [each for each in holds if each.since_s is None and each.kind not in ("slot", "standby")]:
            raise OutputError(f"{timeless[0].kind} {timeless[0].who} has no beginning")
        return Horizon(tuple(holds))
