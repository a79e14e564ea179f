"""Indexes that are broken, superfluous or missing, read off the catalogs and the statistics."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from opsproof.core import scripts
from opsproof.core.counters import Counter, growths, within
from opsproof.core.errors import MeasurementError
from opsproof.core.limits import Estimate
from opsproof.core.units import show
from opsproof.facts.base import SqlFact
from opsproof.facts.findings import require_counting
from opsproof.facts.sessions import BLIND
from opsproof.inventory.resources import Database
from opsproof.postgres.connection import Result

DAY_S = 86400.0
UNATTACHED = (
    ", partitioned: CREATE INDEX CONCURRENTLY on each partition that has none, then ALTER INDEX ... ATTACH PARTITION"
)
Readings = Mapping[str, list[Counter]]


@dataclass(frozen=True)
class FoundIndex:
    """An index by its qualified name, and what there is to say of it.

    `beside` are the names of those that make it superfluous.
    """

    name: str
    about: str
    partitioned: bool = False
    beside: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}: {self.about}"


@dataclass(frozen=True)
class BrokenIndexes:
    """Indexes that no query can use and every write pays for: half built, and left by a rebuilding that was cut off."""

    invalid: tuple[FoundIndex, ...]
    leftovers: tuple[FoundIndex, ...]

    @property
    def rebuildable(self) -> list[FoundIndex]:
        """Those that building anew makes valid: one of a partitioned table lacks the index of a partition."""
        return [each for each in self.invalid if not each.partitioned]


class InvalidIndexes(SqlFact[BrokenIndexes]):
    """Indexes that are not valid, while nobody builds or drops them.

    REINDEX CONCURRENTLY names what it makes name_ccnew, and what it replaces name_ccold:
    https://www.postgresql.org/docs/current/sql-reindex.html#SQL-REINDEX-CONCURRENTLY
    """

    sql = scripts.sql("facts/invalid_indexes")

    def parse(self, result: Result, database: Database) -> BrokenIndexes:
        """Both kinds apart, for each has a remedy of its own; who builds them now only some roles see."""
        rows = result.require()
        if not all(sees for *_, sees in rows):
            raise MeasurementError(BLIND)
        found = [
            (left, FoundIndex(f"{schema}.{name}", f"of {of}{UNATTACHED if partitioned else ''}", partitioned))
            for schema, name, of, left, partitioned, _ in rows
        ]
        return BrokenIndexes(
            tuple(each for left, each in found if not left), tuple(each for left, each in found if left)
        )


class RedundantIndexes(SqlFact[tuple[FoundIndex, ...]]):
    """Indexes that another one on the same table makes superfluous, the largest first.

    Either both have the same columns in the same order, or the first columns of a B-tree are all of another's.
    """

    sql = scripts.sql("facts/redundant_indexes")

    def parse(self, result: Result, database: Database) -> tuple[FoundIndex, ...]:
        """Each index once, however many make it superfluous."""
        found: dict[str, FoundIndex] = {}
        for schema, spare, kept, of, size, alike in result.require():
            name, why = f"{schema}.{spare}", "the same as" if alike else "the beginning of"
            known = found.setdefault(name, FoundIndex(name, f"{why} {kept} on {of}, {show(size, 'bytes')}"))
            found[name] = replace(known, beside=(*known.beside, f"{schema}.{kept}"))
        return tuple(found.values())


@dataclass(frozen=True)
class Epoch:
    """Since when the statistics count, and the number of the next transaction; times in seconds since 1970."""

    since: float
    now: float
    next_transaction: int

    @property
    def reading(self) -> Counter:
        """What a later run needs in order to know which indexes there were by now."""
        return Counter(self.next_transaction, 0.0, self.now)


class StatisticsEpoch(SqlFact[Epoch]):
    """Since when the server counts what tables and indexes are used for: a crash loses it all."""

    sql = scripts.sql("facts/statistics_epoch")

    def parse(self, result: Result, database: Database) -> Epoch:
        """The later of the reset of this database's statistics and the loss of all."""
        ((since, now, next_transaction, counting),) = result.require()
        require_counting(counting)
        return Epoch(float(since), float(now), int(next_transaction))


@dataclass(frozen=True)
class IdleIndex:
    """An index that was not scanned of late; `scanned_s` is how long ago it was, None for never.

    `made_by` is the number of a transaction by which it had been made.
    """

    index: FoundIndex
    scanned_s: float | None
    made_by: int

    def idle_s(self, epoch: Epoch, earlier: list[Counter]) -> tuple[float, float]:
        """The least and the most that it can have been idle, by the transactions that `earlier` runs had seen."""
        if self.scanned_s is not None:
            return self.scanned_s, self.scanned_s
        there = [each.now for each in earlier if self.made_by <= each.value <= epoch.next_transaction]
        most = epoch.now - epoch.since
        return min(most, epoch.now - min(there, default=epoch.now)), most


@dataclass(frozen=True)
class IdleIndexes:
    """Indexes that only cost, as far as the statistics reach; none that makes values unique."""

    indexes: tuple[IdleIndex, ...]

    def longest_s(self, epoch: Epoch, earlier: list[Counter]) -> float | Estimate:
        """How long the one that was idle longest was so; a range, where it was never scanned and may be young."""
        spans = [each.idle_s(epoch, earlier) for each in self.indexes]
        low, high = (max((span[end] for span in spans), default=0.0) for end in (0, 1))
        why = "an index that was never scanned may have been made since the last run"
        return low if low == high else Estimate(low, high, why)


class UnusedIndexes(SqlFact[IdleIndexes]):
    """Indexes larger than 32 kB that were not scanned for a day or more, the longest first.

    When an index was made no catalog says; the number of the transaction that made it does, next to those that
    earlier runs have seen. Parts of an index of a partitioned table cannot be dropped, and are left out.
    """

    sql = scripts.sql("facts/unused_indexes")

    def parse(self, result: Result, database: Database) -> IdleIndexes:
        """Before PostgreSQL 16 only those that were never scanned are known."""
        return IdleIndexes(
            tuple(
                IdleIndex(FoundIndex(f"{schema}.{name}", f"of {of}, {show(size, 'bytes')}"), scanned_s, int(made_by))
                for schema, name, of, size, scanned_s, made_by in result.require()
            )
        )


@dataclass(frozen=True)
class UnindexedKey:
    """A foreign key whose referencing table is read whole for each row that goes from the other; size in bytes.

    `index` is the statement that makes an index for it.
    """

    name: str
    size_bytes: int
    index: str


class UnindexedForeignKeys(SqlFact[tuple[UnindexedKey, ...]]):
    """Foreign keys that no index serves, those of the largest tables first; of partitions each by itself."""

    sql = scripts.sql("facts/unindexed_foreign_keys")

    def parse(self, result: Result, database: Database) -> tuple[UnindexedKey, ...]:
        """What they are, with the size of the table that they are on."""
        return tuple(
            UnindexedKey(f"{schema}.{of} {name}: {definition}", int(size), str(index))
            for schema, of, name, definition, size, index in result.require()
        )


class TablesWithoutKey(SqlFact[tuple[FoundIndex, ...]]):
    """Tables without a primary key, but for those that extensions brought."""

    sql = scripts.sql("facts/tables_without_key")

    def parse(self, result: Result, database: Database) -> tuple[FoundIndex, ...]:
        """The largest first."""
        return tuple(FoundIndex(f"{schema}.{of}", show(size, "bytes")) for schema, of, size in result.require())


@dataclass(frozen=True)
class ScannedTable:
    """A large table: how many rows were read from end to end, and how often by an index, since the statistics began."""

    name: str
    rows: int
    rows_read: Counter
    by_index: Counter

    @property
    def readings(self) -> dict[str, Counter]:
        """What a later run needs in order to know what happened since this one."""
        return {f"rows read {self.name}": self.rows_read, f"index scans {self.name}": self.by_index}

    def since(self, earlier: Readings) -> list["Scans"]:
        """What happened since the last of the `earlier` runs that knew it: each way in which that may be read."""
        read, by_index = self.readings
        found = growths(self.readings, earlier)
        return [self._scans(each.amounts[read], each.amounts[by_index], each.since) for each in found]

    def _scans(self, rows_read: float, by_index: float, since: float) -> "Scans":
        return Scans(self.name, self.rows, rows_read / self.rows, by_index, (self.rows_read.now - since) / DAY_S)


@dataclass(frozen=True)
class Scans:
    """How often a table was read in a number of days."""

    name: str
    rows: int
    whole: float
    by_index: float
    days: float

    @property
    def often(self) -> bool:
        """Whether it was read whole more than ten times a day; of less than a day, more than ten times in all."""
        return self.whole > 10 * max(self.days, 1.0)

    @property
    def index_scans(self) -> float:
        """Percentage of the scans that used an index."""
        return 100 * self.by_index / (self.by_index + self.whole)

    def __str__(self) -> str:
        return f"{self.name}: {self.rows} rows, {self.whole:.0f} times from end to end, {self.by_index:.0f} by an index"


@dataclass(frozen=True)
class LargeTables:
    """The large tables that were read most."""

    tables: tuple[ScannedTable, ...]

    @property
    def readings(self) -> dict[str, Counter]:
        """What a later run needs in order to know what happened since this one."""
        return {name: reading for each in self.tables for name, reading in each.readings.items()}

    def scanned(self, earlier: Readings) -> list[Scans]:
        """Those that were read whole more than ten times a day, the one that indexes serve least first."""
        found = [scans for each in self.tables for scans in each.since(earlier) if scans.often]
        return sorted(found, key=lambda each: each.index_scans)

    def index_scans(self, earlier: Readings) -> float | Estimate:
        """Percentage of the scans that used an index, of the table among those that indexes serve least; else 100."""
        ways = list(zip(*(_both(each.since(earlier)) for each in self.tables), strict=True))
        return within(min((each.index_scans for each in way if each.often), default=100.0) for way in ways or [()])


def _both(found: list[Scans]) -> tuple[Scans, Scans]:
    return found[0], found[-1]


class TableScans(SqlFact[LargeTables]):
    """Tables of 10,000 rows or more, and how they are read; a nightly backup reads each whole once.

    What counts is rows read by the rows there are: to build an IVFFlat index a table is scanned thousands of times, a
    page each. The 10,000 are PgHero's, for its missing indexes: https://github.com/ankane/pghero
    """

    sql = scripts.sql("facts/table_scans")

    def parse(self, result: Result, database: Database) -> LargeTables:
        """Each with its counters."""
        rows = result.require()
        require_counting(all(row[6] for row in rows))
        return LargeTables(
            tuple(
                ScannedTable(
                    str(name),
                    int(rows),
                    Counter(int(read), since, now, shared=True),
                    Counter(int(by_index), since, now, shared=True),
                )
                for name, rows, read, by_index, since, now, _ in rows
            )
        )
