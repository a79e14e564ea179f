"""Vector indexes of pgvector: what they are, and how many of the nearest neighbours they find."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, sqrt
from statistics import fmean

from opsproof.core import build_times, scripts
from opsproof.core.counters import Counter
from opsproof.core.errors import Absent, MeasurementError, OutputError
from opsproof.core.intervals import clustered
from opsproof.core.limits import Estimate
from opsproof.core.units import show
from opsproof.facts.base import SqlResourceFact
from opsproof.facts.findings import require_counting
from opsproof.inventory.resources import VectorIndex
from opsproof.postgres.connection import Result

FEW_ROWS = 1000
"""With fewer rows than this, reading them all is as good as any index, and the planner knows."""
FEW_SAMPLES = 80
"""Of fewer, even a perfect sample leaves room for a recall under 95 %."""
SAFE = (0, 8, 2)
"""CVE-2026-3172, a buffer overflow in building HNSW indexes in parallel, is fixed from here on."""
CURRENT = (0, 8, 6)
"""Vacuuming of HNSW indexes is mended in 0.8.3 and 0.8.4, memory of IVFFlat scans in 0.8.6: pgvector's CHANGELOG."""
BUILD, INSERTED = "build", "rows inserted"
Readings = Mapping[str, list[Counter]]


def ideal_lists(rows: float) -> float:
    """The lists that pgvector's README advises for so many rows: https://github.com/pgvector/pgvector#ivfflat."""
    return rows / 1000 if rows <= 1_000_000 else sqrt(rows)


@dataclass(frozen=True)
class VectorIndexState:
    """One index as it stands; sizes in bytes, times in seconds since 1970.

    `build` is the number of the file that the last build made, `inserted` the rows that were put into the table since
    the statistics began, `library` the release of pgvector on the server's disk, `extension` that of its catalogs.
    """

    name: str
    method: str
    valid: bool
    build: int
    lists: int | None
    size_bytes: int
    dimensions: int
    value_bytes: int
    rows: int
    inserted: Counter
    maintenance_bytes: int
    extension: str
    library: str

    @property
    def readings(self) -> dict[str, Counter]:
        """What later runs need to know of this one."""
        return {BUILD: Counter(self.build, 0.0, self.inserted.now), INSERTED: self.inserted}

    @property
    def lists_ratio(self) -> float:
        """Its lists by those that pgvector advises.

        Raises:
            MeasurementError: there are too few rows.
        """
        if self.rows < FEW_ROWS:
            raise MeasurementError(f"of {self.rows} rows nobody can tell how many lists they need")
        return (self.lists or 100) / ideal_lists(self.rows)

    def age_s(self, earlier: Readings) -> Estimate:
        """Seconds since the last build, by what `earlier` runs saw."""
        return build_times.age_s(self.readings[BUILD], earlier[BUILD])

    def new_rows(self, earlier: Readings) -> Estimate:
        """Percentage of the rows that came after the last build, by what `earlier` runs saw."""
        moments = build_times.bracket(self.readings[BUILD], earlier[BUILD])
        grown = build_times.grown_since(self.inserted, earlier[INSERTED], *moments)
        low, high = (min(100.0, 100 * each / max(self.rows, 1)) for each in grown)
        return Estimate(low, high, "no run tells how many rows there were when it was built")

    @property
    def release(self) -> str:
        """vulnerable, outdated or current."""
        number = tuple(int(part) for part in self.library.split("."))
        return "vulnerable" if number < SAFE else "outdated" if number < CURRENT else "current"

    @property
    def build_bytes(self) -> float:
        """Memory that the next build takes.

        IVFFlat makes room for a sample of 50 rows for each list, at least 10,000, and for the distance of each to each
        centre (`ComputeCenters` and `ElkanKmeans` in pgvector's source), and fails where that does not fit. HNSW
        keeps the whole graph in memory, which is about what it then takes on disk, and is slow where it does not fit.
        """
        if self.method != "ivfflat":
            return self.size_bytes
        centres = self.lists or 100
        wanted = max(centres * 50, 10_000)
        samples = min(wanted, self.rows)
        vectors = (wanted + 2 * centres) * self.value_bytes + centres * self.dimensions * 4
        return vectors + 4 * (samples * centres + centres * centres + 2 * samples + 3 * centres)

    @property
    def build_setting_mb(self) -> int:
        """The maintenance_work_mem of which the next build takes four fifths, in MiB."""
        return ceil(self.build_bytes / 0.8 / 2**20)

    @property
    def build_memory(self) -> float:
        """Percentage of maintenance_work_mem that the next build takes."""
        return 100 * self.build_bytes / self.maintenance_bytes


class VectorIndexes(SqlResourceFact[VectorIndex, VectorIndexState]):
    """Each declared vector index, as the catalogs and the statistics describe it."""

    resource = "vector_index"
    sql = scripts.sql("facts/vector_index")

    def values(self, name: str, resource: VectorIndex) -> list[str]:
        """Schema, table and index."""
        return [*resource.table.split("."), name]

    def parse(self, result: Result, resource: VectorIndex) -> VectorIndexState:
        """The state of the one index there is of that name on that table."""
        rows = result.require()
        if not rows:
            raise Absent(f"{resource.table} has no vector index of the declared name")
        ((name, method, valid, build, lists, size, dimensions, kind, *more),) = rows
        count, inserted, since, now, memory, extension, library, counting = more
        require_counting(counting)
        return VectorIndexState(
            name=str(name),
            method=str(method),
            valid=bool(valid),
            build=int(build),
            lists=None if lists is None else int(lists),
            size_bytes=int(size),
            dimensions=int(dimensions),
            value_bytes=8 + int(dimensions) * (2 if "halfvec" in kind else 4),
            rows=int(count),
            inserted=Counter(int(inserted), float(since), float(now)),
            maintenance_bytes=int(memory),
            extension=str(extension),
            library=str(library),
        )


@dataclass(frozen=True)
class Recall:
    """How many nearest neighbours an index finds: for each sampled row its share, from 0 to 1.

    `indexes` are those that the plan of the application's query uses, `compared_by` those that the comparison used.
    """

    shares: tuple[float, ...]
    neighbours: int
    indexes: tuple[str, ...]
    compared_by: tuple[str, ...]

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of the mean, in percent.

        Raises:
            MeasurementError: the sample is too small to tell.
        """
        if len(self.shares) < FEW_SAMPLES:
            raise MeasurementError(
                f"only {len(self.shares)} rows were compared, {FEW_SAMPLES} are needed: give it a larger budget"
            )
        low, high = clustered(list(self.shares), self.neighbours)
        return 100 * low, 100 * high

    @property
    def evidence(self) -> list[str]:
        """The mean with its interval and the size of the sample."""
        low, high = (show(each, "percent") for each in self.interval)
        mean = show(100 * fmean(self.shares), "percent")
        perfect = sum(share == 1 for share in self.shares)
        return [
            f"{mean} of the nearest {self.neighbours} were found, between {low} and {high} with 95 % confidence",
            f"{len(self.shares)} rows were sampled, {perfect} of them found all",
        ]

    def through(self, index: str) -> float:
        """The lower end of the interval, in percent, of a query that goes through `index`.

        Raises:
            MeasurementError: it does not, so that its recall says nothing of the index.
        """
        if index in self.compared_by:
            raise MeasurementError(f"{index} was compared with itself")
        if index not in self.indexes:
            raise MeasurementError(f"the recall of {index} is not known: no query goes through it")
        return self.interval[0]


class VectorRecalls(SqlResourceFact[VectorIndex, Recall]):
    """Recall of each declared vector index, by comparison with every row for a sample of rows.

    A function in the database does it, which docs/privileges/recall.sql makes: the monitor reads no row.
    """

    resource = "vector_index"
    sql = scripts.sql("facts/vector_recall")

    def values(self, name: str, resource: VectorIndex) -> list[str]:
        """Where to look, and what the application asks."""
        query = [resource.column, resource.operator, str(resource.neighbours), *resource.setting, resource.filter]
        return [*resource.table.split("."), name, *query, str(resource.sample), str(resource.budget)]

    def parse(self, result: Result, resource: VectorIndex) -> Recall:
        """The share of each sampled row; without the function, nothing is known."""
        if "opsproof" in result.error:
            raise MeasurementError(f"{result.error}: run docs/privileges/recall.sql in the database")
        ((found,),) = result.require()
        if found["rows"] < FEW_ROWS:
            raise MeasurementError(f"{resource.table} holds about {found['rows']:.0f} rows: too few to tell")
        if found["indexes"] is None:
            raise MeasurementError(f"no row of {resource.table} that was looked at has a value in {resource.column}")
        pairs = list(zip(found["found"], found["there"], strict=True))
        if any(there < hit or hit < 0 for hit, there in pairs):
            raise OutputError(f"more neighbours were found than there are: {pairs[:5]}")
        return Recall(
            tuple(hit / there for hit, there in pairs if there),
            resource.neighbours,
            tuple(found["indexes"]),
            tuple(found["compared_by"]),
        )
