"""Invalid, redundant, unused and missing indexes, from catalogs and statistics."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from opsproof.core import scripts
from opsproof.core.counters import Counter, growths, within
from opsproof.core.errors import MeasurementError
from opsproof.core.limits import Estimate
from opsproof.core.units import show
from opsproof.facts.base import SqlFact
from opsproof.facts.findings import require_counting
from opsproof.facts.sessions import NEEDS_PG_MONITOR
from opsproof.inventory.resources import Database
from opsproof.postgres.connection import Result

DAY_S = 86400.0
UNATTACHED = (
    ", partitioned: CREATE INDEX CONCURRENTLY on each partition without an index, then ALTER INDEX ... ATTACH PARTITION"
)
Readings = Mapping[str, list[Counter]]


@dataclass(frozen=True)
class FoundIndex:
    """An index (or table) by qualified name, with a description.

    `beside` names the indexes that make it redundant. Indexes of a `family`, a table and the columns, are alike on
    partitions of the table.
    """

    name: str
    about: str
    partitioned: bool = False
    beside: tuple[str, ...] = ()
    family: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}: {self.about}"


@dataclass(frozen=True)
class BrokenIndexes:
    """Invalid indexes and leftovers of REINDEX CONCURRENTLY: useless to queries, a cost for every write."""

    invalid: tuple[FoundIndex, ...]
    leftovers: tuple[FoundIndex, ...]

    @property
    def rebuildable(self) -> list[FoundIndex]:
        """Invalid indexes that REINDEX repairs; on a partitioned table, a partition's index is missing instead."""
        return [each for each in self.invalid if not each.partitioned]


class InvalidIndexes(SqlFact[BrokenIndexes]):
    """Invalid indexes that no session is building or dropping.

    REINDEX CONCURRENTLY names the new index name_ccnew and the old index name_ccold:
    https://www.postgresql.org/docs/current/sql-reindex.html#SQL-REINDEX-CONCURRENTLY
    """

    sql = scripts.sql("facts/invalid_indexes")

    def parse(self, result: Result, database: Database) -> BrokenIndexes:
        """Separates invalid indexes from leftovers: remedies differ. Running builds are visible to pg_monitor only."""
        rows = result.require()
        if not all(sees for *_, sees in rows):
            raise MeasurementError(NEEDS_PG_MONITOR)
        found = [
            (left, FoundIndex(f"{schema}.{name}", f"of {of}{UNATTACHED if partitioned else ''}", partitioned))
            for schema, name, of, left, partitioned, _ in rows
        ]
        return BrokenIndexes(
            tuple(each for left, each in found if not left), tuple(each for left, each in found if left)
        )


@dataclass(frozen=True)
class SpareIndexes:
    """Redundant indexes, the largest first."""

    indexes: tuple[FoundIndex, ...]

    @property
    def lines(self) -> list[str]:
        """A line for each index outside families, and for each family."""
        members: dict[tuple[str, ...], list[FoundIndex]] = {}
        for each in self.indexes:
            members.setdefault(each.family or (each.name,), []).append(each)
        return [
            f"{found[0]}" + (f"; {len(found)} partitions of {table} have such an index" if found[1:] else "")
            for (table, *_), found in members.items()
        ]


class RedundantIndexes(SqlFact[SpareIndexes]):
    """Indexes made redundant by another index on the same table, the largest first.

    Either both have the same columns in the same order, or a B-tree's columns are the leading columns of another.
    """

    sql = scripts.sql("facts/redundant_indexes")

    def parse(self, result: Result, database: Database) -> SpareIndexes:
        """Each redundant index once, with all indexes that cover it."""
        found: dict[str, FoundIndex] = {}
        for schema, spare, kept, of, size, alike, table, columns in result.require():
            name, why = f"{schema}.{spare}", "duplicate of" if alike else "prefix of"
            about = f"{why} {kept} on {of}, {show(size, 'bytes')}"
            known = found.setdefault(name, FoundIndex(name, about, family=(table, columns) if table else ()))
            found[name] = replace(known, beside=(*known.beside, f"{schema}.{kept}"))
        return SpareIndexes(tuple(found.values()))


@dataclass(frozen=True)
class Epoch:
    """Start of the statistics and the next transaction ID; times in seconds since 1970."""

    since: float
    now: float
    next_transaction: int

    @property
    def reading(self) -> Counter:
        """A transaction counter; later runs use it to date the creation of indexes."""
        return Counter(self.next_transaction, 0.0, self.now)


class StatisticsEpoch(SqlFact[Epoch]):
    """Start of the cumulative statistics: a crash resets them."""

    sql = scripts.sql("facts/statistics_epoch")

    def parse(self, result: Result, database: Database) -> Epoch:
        """The later of this database's statistics reset and the reset of all statistics."""
        ((since, now, next_transaction, counting),) = result.require()
        require_counting(counting)
        return Epoch(float(since), float(now), int(next_transaction))


@dataclass(frozen=True)
class IdleIndex:
    """An index without recent scans; `scanned_s` is the time since the last scan, None for never.

    `made_by` is a transaction ID by which the index existed.
    """

    index: FoundIndex
    scanned_s: float | None
    made_by: int

    def idle_s(self, epoch: Epoch, earlier: list[Counter]) -> tuple[float, float]:
        """Least and greatest possible idle time in seconds, by transaction IDs seen in `earlier` runs."""
        if self.scanned_s is not None:
            return self.scanned_s, self.scanned_s
        seen = [each.now for each in earlier if self.made_by <= each.value <= epoch.next_transaction]
        most = epoch.now - epoch.since
        return min(most, epoch.now - min(seen, default=epoch.now)), most


@dataclass(frozen=True)
class IdleIndexes:
    """Unused, non-unique indexes, as far back as statistics reach."""

    indexes: tuple[IdleIndex, ...]

    def longest_s(self, epoch: Epoch, earlier: list[Counter]) -> float | Estimate:
        """Longest idle time in seconds; a range if a never-scanned index may be new."""
        spans = [each.idle_s(epoch, earlier) for each in self.indexes]
        low, high = (max((span[end] for span in spans), default=0.0) for end in (0, 1))
        why = "a never-scanned index may have been created since the last run"
        return low if low == high else Estimate(low, high, why)


class UnusedIndexes(SqlFact[IdleIndexes]):
    """Indexes over 32 kB without a scan for a day or more, the longest idle first.

    Catalogs do not record when an index was created; the creating transaction's ID, compared with IDs seen by earlier
    runs, bounds the age. Partitions of a partitioned index cannot be dropped, and are skipped.
    """

    sql = scripts.sql("facts/unused_indexes")

    def parse(self, result: Result, database: Database) -> IdleIndexes:
        """Before PostgreSQL 16 only never-scanned indexes are known."""
        return IdleIndexes(
            tuple(
                IdleIndex(FoundIndex(f"{schema}.{name}", f"of {of}, {show(size, 'bytes')}"), scanned_s, int(made_by))
                for schema, name, of, size, scanned_s, made_by in result.require()
            )
        )


@dataclass(frozen=True)
class UnindexedKey:
    """A foreign key without an index on the referencing table; size of the table in bytes.

    Each delete in the referenced table scans the whole referencing table. `index` is the CREATE INDEX statement.
    """

    name: str
    size_bytes: int
    index: str


class UnindexedForeignKeys(SqlFact[tuple[UnindexedKey, ...]]):
    """Foreign keys without an index, on the largest tables first; partitions are separate tables."""

    sql = scripts.sql("facts/unindexed_foreign_keys")

    def parse(self, result: Result, database: Database) -> tuple[UnindexedKey, ...]:
        """Foreign keys, each with its table's size."""
        return tuple(
            UnindexedKey(f"{schema}.{of} {name}: {definition}", int(size), str(index))
            for schema, of, name, definition, size, index in result.require()
        )


class TablesWithoutKey(SqlFact[tuple[FoundIndex, ...]]):
    """Tables without a primary key, except tables of extensions."""

    sql = scripts.sql("facts/tables_without_key")

    def parse(self, result: Result, database: Database) -> tuple[FoundIndex, ...]:
        """The largest table first."""
        return tuple(FoundIndex(f"{schema}.{of}", show(size, "bytes")) for schema, of, size in result.require())


@dataclass(frozen=True)
class ScannedTable:
    """A large table with the rows read by sequential scans, and the index scans, since the last statistics reset."""

    name: str
    rows: int
    rows_read: Counter
    by_index: Counter

    @property
    def readings(self) -> dict[str, Counter]:
        """Counters for comparison by later runs."""
        return {f"rows read {self.name}": self.rows_read, f"index scans {self.name}": self.by_index}

    def since(self, earlier: Readings) -> list["Scans"]:
        """Scans since the last of the `earlier` runs; several values if a reset makes the count ambiguous."""
        read, by_index = self.readings
        found = growths(self.readings, earlier)
        return [self._scans(each.amounts[read], each.amounts[by_index], each.since) for each in found]

    def _scans(self, rows_read: float, by_index: float, since: float) -> "Scans":
        return Scans(self.name, self.rows, rows_read / self.rows, by_index, (self.rows_read.now - since) / DAY_S)


@dataclass(frozen=True)
class Scans:
    """Scans of a table in `days` days: `whole` by full reads, `by_index` by an index."""

    name: str
    rows: int
    whole: float
    by_index: float
    days: float

    @property
    def often(self) -> bool:
        """Whether the table was read in full more than ten times a day, or ten times in less than a day."""
        return self.whole > 10 * max(self.days, 1.0)

    @property
    def index_scans(self) -> float:
        """Percentage of scans that used an index."""
        return 100 * self.by_index / (self.by_index + self.whole)

    def __str__(self) -> str:
        return f"{self.name}: {self.rows} rows, read in full {self.whole:.0f} times, {self.by_index:.0f} index scans"


@dataclass(frozen=True)
class LargeTables:
    """Large tables, those with most reads first."""

    tables: tuple[ScannedTable, ...]

    @property
    def readings(self) -> dict[str, Counter]:
        """Counters for comparison by later runs."""
        return {name: reading for each in self.tables for name, reading in each.readings.items()}

    def includes_restore(self, began: float | None, earlier: Readings) -> bool:
        """Whether the scans count from the restore that `began`, whose own scans are among them, and not from a run."""
        if began is None or not self.tables:
            return False
        born = self.tables[0].rows_read.born
        return born >= began and not any(each.now > born for readings in earlier.values() for each in readings)

    def scanned(self, earlier: Readings) -> list[Scans]:
        """Tables read in full more than ten times a day, the lowest share of index scans first."""
        found = [scans for each in self.tables for scans in each.since(earlier) if scans.often]
        return sorted(found, key=lambda each: each.index_scans)

    def index_scans(self, earlier: Readings) -> float | Estimate:
        """Lowest percentage of index scans among tables often read in full; 100 without such tables."""
        ways = list(zip(*(_extremes(each.since(earlier)) for each in self.tables), strict=True))
        return within(min((each.index_scans for each in way if each.often), default=100.0) for way in ways or [()])


def _extremes(found: list[Scans]) -> tuple[Scans, Scans]:
    return found[0], found[-1]


class TableScans(SqlFact[LargeTables]):
    """Scans of tables with 10,000 rows or more; a nightly backup reads each table once.

    Full reads are rows read divided by row count: building an IVFFlat index starts thousands of scans of a page each.
    The threshold of 10,000 rows is PgHero's, for missing indexes: https://github.com/ankane/pghero
    """

    sql = scripts.sql("facts/table_scans")

    def parse(self, result: Result, database: Database) -> LargeTables:
        """Each table with its counters."""
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
