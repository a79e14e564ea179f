"""Vector indexes of pgvector: state, build memory and recall."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, sqrt
from statistics import fmean

from opsproof.core import build_times, scripts
from opsproof.core.counters import Counter
from opsproof.core.errors import Absent, MeasurementError, OutputError
from opsproof.core.installation import rights_command
from opsproof.core.intervals import clustered
from opsproof.core.limits import Estimate
from opsproof.core.units import show
from opsproof.facts.base import SqlResourceFact
from opsproof.facts.findings import require_counting
from opsproof.inventory.resources import VectorIndex
from opsproof.postgres.connection import Result

FEW_ROWS = 1000
"""With fewer rows a sequential scan is as good as an index, and the planner prefers the scan."""
FEW_SAMPLES = 80
"""With fewer samples even a perfect result has a confidence interval reaching below 95 %."""
SAFE = (0, 8, 2)
"""First version without CVE-2026-3172, a buffer overflow in parallel HNSW builds."""
CURRENT = (0, 8, 6)
"""0.8.3 and 0.8.4 fix vacuuming of HNSW indexes, 0.8.6 memory of IVFFlat scans: pgvector's CHANGELOG."""
BUILD, INSERTED = "build", "rows inserted"
Readings = Mapping[str, list[Counter]]


def ideal_lists(rows: float) -> float:
    """Lists advised by pgvector's README for a row count: https://github.com/pgvector/pgvector#ivfflat."""
    return rows / 1000 if rows <= 1_000_000 else sqrt(rows)


@dataclass(frozen=True)
class VectorIndexState:
    """State of one index; sizes in bytes, times in seconds since 1970.

    `build` is the relfilenode, new after each build; `inserted` counts rows inserted since the last statistics reset;
    `library` is the pgvector version on the server's disk, `extension` the version in the catalogs. `value_bytes` is
    the size of a vector in memory; 0 for sparse vectors, whose sizes vary: no ivfflat index can have them.
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
        """Counters for comparison by later runs."""
        return {BUILD: Counter(self.build, 0.0, self.inserted.now), INSERTED: self.inserted}

    @property
    def lists_ratio(self) -> float:
        """Number of lists relative to pgvector's advice.

        Raises:
            MeasurementError: the table has too few rows.
        """
        if self.rows < FEW_ROWS:
            raise MeasurementError(f"{self.rows} rows are too few to judge the number of lists (minimum {FEW_ROWS})")
        return (self.lists or 100) / ideal_lists(self.rows)

    def age_s(self, earlier: Readings) -> Estimate:
        """Seconds since the last build, by `earlier` runs."""
        return build_times.age_s(self.readings[BUILD], earlier[BUILD])

    def new_rows(self, earlier: Readings) -> Estimate:
        """Percentage of rows inserted after the last build, by `earlier` runs."""
        moments = build_times.bracket(self.readings[BUILD], earlier[BUILD])
        grown = build_times.grown_since(self.inserted, earlier[INSERTED], *moments)
        low, high = (min(100.0, 100 * each / max(self.rows, 1)) for each in grown)
        return Estimate(low, high, "no run recorded the row count at the last build")

    @property
    def release(self) -> str:
        """vulnerable, outdated or current."""
        number = tuple(int(part) for part in self.library.split("."))
        return "vulnerable" if number < SAFE else "outdated" if number < CURRENT else "current"

    @property
    def build_bytes(self) -> float:
        """Memory needed by the next build.

        IVFFlat allocates a sample of 50 rows per list, at least 10,000, and the distances between samples and centres
        (`ComputeCenters` and `ElkanKmeans` in pgvector's source); the build fails if memory is short. HNSW keeps the
        whole graph in memory, about as large as the index on disk; the build is slow if memory is short.
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
        """The maintenance_work_mem, in MiB, of which the next build needs four fifths."""
        return ceil(self.build_bytes / 0.8 / 2**20)

    @property
    def build_memory(self) -> float:
        """Percentage of maintenance_work_mem needed by the next build."""
        return 100 * self.build_bytes / self.maintenance_bytes


class VectorIndexes(SqlResourceFact[VectorIndex, VectorIndexState]):
    """Each declared vector index, by catalogs and statistics."""

    resource = "vector_index"
    sql = scripts.sql("facts/vector_index")

    def values(self, name: str, resource: VectorIndex) -> list[str]:
        """Schema, table and index."""
        return [*resource.table.split("."), name]

    def parse(self, result: Result, resource: VectorIndex) -> VectorIndexState:
        """State of the index; a table has at most one index of the declared name."""
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
            value_bytes=_value_bytes(str(kind), int(dimensions)),
            rows=int(count),
            inserted=Counter(int(inserted), float(since), float(now)),
            maintenance_bytes=int(memory),
            extension=str(extension),
            library=str(library),
        )


def _value_bytes(kind: str, dimensions: int) -> int:
    if kind.endswith("sparsevec"):
        return 0
    return 8 + dimensions * (2 if kind.endswith("halfvec") else 4)


@dataclass(frozen=True)
class Recall:
    """Recall of an index: the share of nearest neighbours found for each sampled row, from 0 to 1.

    `indexes` are the indexes in the plan of the application's query, `compared_by` those in the plan of the comparison.
    For `exact` further rows the planner prefers a plan without the index, although the index is `usable`.
    """

    shares: tuple[float, ...]
    neighbours: int
    indexes: tuple[str, ...]
    compared_by: tuple[str, ...]
    exact: int = 0
    usable: bool = False

    @property
    def answers(self) -> tuple[float, ...]:
        """The shares, completed by exact answers if the planner prefers the index too seldom for a sample."""
        return self.shares if len(self.shares) >= FEW_SAMPLES else (*self.shares, *[1.0] * self.exact)

    @property
    def interval(self) -> tuple[float, float]:
        """95 % confidence interval of the mean recall, in percent.

        Raises:
            MeasurementError: the sample is too small.
        """
        if len(self.answers) < FEW_SAMPLES:
            raise MeasurementError(
                f"only {len(self.answers)} rows were compared (minimum {FEW_SAMPLES}): increase the budget"
            )
        low, high = clustered(list(self.answers), self.neighbours)
        return 100 * low, 100 * high

    @property
    def evidence(self) -> list[str]:
        """Mean recall, confidence interval and sample size."""
        low, high = (show(each, "percent") for each in self.interval)
        mean = show(100 * fmean(self.answers), "percent")
        perfect = sum(share == 1 for share in self.answers)
        return [
            f"{mean} of the nearest {self.neighbours} were found, between {low} and {high} with 95 % confidence",
            f"{len(self.answers)} rows were sampled, {perfect} with full recall",
            *([f"for {self.exact} rows the planner preferred a plan without the index"] if self.exact else []),
        ]

    def is_served(self, index: str, declared: VectorIndex) -> bool:
        """Whether the planner uses `index`, or prefers the exact plan for the few rows behind a declared filter."""
        return index in self.indexes or bool(declared.filter and self.exact and self.usable)

    def through(self, index: str, declared: VectorIndex) -> float:
        """Lower end of the confidence interval, in percent, for the query that `index` serves.

        Raises:
            MeasurementError: the query does not use `index`, or the comparison does.
        """
        if index in self.compared_by:
            raise MeasurementError(f"{index} was used for the exact search too, so recall is unknown")
        if not self.is_served(index, declared):
            raise MeasurementError(f"the recall of {index} is unknown: the query does not use the index")
        return self.interval[0]


def _install() -> str:
    return f"run the SQL of {rights_command('recall.sql')} in the database"


class VectorRecalls(SqlResourceFact[VectorIndex, Recall]):
    """Recall of each declared vector index: a sample of rows, compared with an exact search.

    A database function compares (recall.sql of `opsproof privileges`): the monitoring role reads no rows.
    """

    resource = "vector_index"
    sql = scripts.sql("facts/vector_recall")

    def values(self, name: str, resource: VectorIndex) -> list[str]:
        """Arguments of the function: table, index, the application's query, sample and budget."""
        query = [resource.column, resource.operator, str(resource.neighbours), *resource.setting, resource.filter]
        return [*resource.table.split("."), name, *query, str(resource.sample), str(resource.budget)]

    def parse(self, result: Result, resource: VectorIndex) -> Recall:
        """Recall of each sampled row; without the function a MeasurementError."""
        if "opsproof" in result.error:
            raise MeasurementError(f"{result.error}: {_install()}")
        ((found,),) = result.require()
        if found is None:
            raise MeasurementError(f"opsproof.vector_recall belongs to another role: {_install()}")
        if found["rows"] < FEW_ROWS:
            raise MeasurementError(f"{resource.table} has about {found['rows']:.0f} rows: too few (minimum {FEW_ROWS})")
        if found["indexes"] is None:
            raise MeasurementError(f"{resource.column} is NULL in all sampled rows of {resource.table}")
        if "exact" not in found:
            raise MeasurementError(f"opsproof.vector_recall is outdated: {_install()}")
        pairs = list(zip(found["found"], found["there"], strict=True))
        if any(there < hit or hit < 0 for hit, there in pairs):
            raise OutputError(f"the index found more neighbours than the exact search: {pairs[:5]}")
        return Recall(
            tuple(hit / there for hit, there in pairs if there),
            resource.neighbours,
            tuple(found["indexes"]),
            tuple(found["compared_by"]),
            int(found["exact"]),
            bool(found["usable"]),
        )
