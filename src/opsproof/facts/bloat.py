"""How much of tables and B-tree indexes is unused: estimated for all, measured for those that the estimate suspects."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opsproof.core import scripts
from opsproof.core.errors import MeasurementError
from opsproof.core.limits import Limit
from opsproof.core.units import show
from opsproof.facts.base import SqlFact
from opsproof.facts.findings import Findings, granted
from opsproof.inventory.resources import Database
from opsproof.postgres.connection import Result
from opsproof.postgres.quoting import literal, qualified

SUSPECT = 30.0
"""Estimates from so much on, in percent, are not trusted to say how much: ten points under what warns."""
PAGE_BYTES = 8192
USABLE_BYTES = 8168
TOASTED_BYTES = 2032
"""Rows are kept smaller, but where a column forbids it: then what remains of a page beside them is no bloat."""


@dataclass(frozen=True)
class Space:
    """A table, a TOAST table or an index, with what is unused of it by its statistics, in percent.

    `estimate` is None where they say nothing: of TOAST they never do. `fillfactor` is a fraction.
    """

    oid: int
    kind: str
    name: str
    size_bytes: int
    fillfactor: float
    estimate: float | None

    @property
    def again(self) -> str:
        """The query that measures it."""
        name = literal(qualified(self.name))
        if self.kind == "TOAST":
            return f"SELECT t.* FROM pg_class, pgstattuple_approx(reltoastrelid) t WHERE oid = {name}::regclass"  # noqa: S608
        return f"SELECT * FROM {'pgstatindex' if self.kind == 'index' else 'pgstattuple_approx'}({name})"  # noqa: S608


@dataclass(frozen=True)
class Bloat:
    """What is unused of one of them, in percent, or None where nobody knows; and how that is known."""

    space: Space
    share: float | None
    how: str

    def __str__(self) -> str:
        name = f"{self.space.name} (TOAST)" if self.space.kind == "TOAST" else self.space.name
        share = "" if self.share is None else f"{self.share:.0f} % unused, "
        return f"{name}: {show(self.space.size_bytes, 'bytes')}, {share}{self.how}"


@dataclass(frozen=True)
class Bloats:
    """Tables, or indexes, that are large enough to be judged, those unknown and the worst first."""

    bloats: tuple[Bloat, ...]

    @property
    def found(self) -> Findings[Bloat]:
        """All of them, and how to measure the first anew."""
        return Findings(self.bloats, self.bloats[0].space.again if self.bloats else "")

    @property
    def share(self) -> float:
        """The largest share that is known, in percent."""
        return max((each.share for each in self.bloats if each.share is not None), default=0.0)

    def beyond(self, limit: Limit) -> list[str]:
        """The names of those that `limit` does not let pass."""
        known = [(each.space.name, each.share) for each in self.bloats if each.share is not None]
        return list(dict.fromkeys(name for name, share in known if limit.judge(share).verdict != "passed"))

    def require_measured(self) -> None:
        """Says no where one is only suspected.

        Raises:
            MeasurementError: it was not measured, and why.
        """
        if unknown := [each for each in self.bloats if each.share is None]:
            names = ", ".join(each.space.name for each in unknown[:3])
            raise MeasurementError(f"{len(unknown)} may be bloated, and were {unknown[0].how}: {names}")


@dataclass(frozen=True)
class BloatSuspicion:
    """What of a database is large enough to be judged."""

    spaces: tuple[Space, ...]

    def tables(self, measured: "BloatFigures") -> Bloats:
        """Tables and TOAST tables."""
        return measured.of([each for each in self.spaces if each.kind != "index"])

    def indexes(self, measured: "BloatFigures") -> Bloats:
        """B-tree indexes."""
        return measured.of([each for each in self.spaces if each.kind == "index"])


class BloatEstimates(SqlFact[BloatSuspicion]):
    """Unused space of tables and B-tree indexes of 1 MiB or more, by what ANALYZE knows of their rows.

    Rows that are counted low, columns that it knows nothing of, and keys that may be equal let it come out too high:
    the measured figure decides then. What is smaller than the inventory's `large_table` or `large_index` is left out.
    """

    sql = scripts.sql("facts/bloat_estimates")

    def parse(self, result: Result, database: Database) -> BloatSuspicion:
        """No row is good: nothing is that large."""
        spaces = [_space(row) for row in granted(result)]
        least = {"index": database.large_index}
        return BloatSuspicion(
            tuple(each for each in spaces if each.size_bytes >= least.get(each.kind, database.large_table))
        )


def _space(row: list[Any]) -> Space:
    oid, kind, name, size, fillfactor, estimate = row
    if kind not in ("table", "TOAST", "index"):
        raise ValueError(f"{kind} is no kind of relation")
    return Space(int(oid), kind, name, int(size), float(fillfactor), None if estimate is None else float(estimate))


@dataclass(frozen=True)
class BloatFigures:
    """What pgstattuple says of suspects, by number; None for one that there was no time for."""

    figures: Mapping[int, list[float] | None]
    missing: str = ""

    def of(self, spaces: list[Space]) -> Bloats:
        """What is known of `spaces`."""
        known = sorted(map(self._known, spaces), key=lambda each: -(math.inf if each.share is None else each.share))
        return Bloats(tuple(known))

    def _known(self, space: Space) -> Bloat:
        if space.estimate is not None and space.estimate < SUSPECT:
            return Bloat(space, space.estimate, "estimated")
        if figures := self.figures.get(space.oid):
            unused = _unused_index if space.kind == "index" else _unused_table
            return Bloat(space, unused(figures, space.fillfactor), "measured")
        return Bloat(space, None, f"not measured{self.missing or ': there was no time, raise the timeout'}")


def _unused_table(figures: list[float], fillfactor: float) -> float:
    """Space that a rewrite, which keeps free what the fill factor says, would give back."""
    size, unused, live_bytes, live = figures
    if live and live_bytes / live > TOASTED_BYTES:
        rows_a_page = max(1, USABLE_BYTES * fillfactor // (live_bytes / live))
        return _spare_pages(size, live / rows_a_page)
    return _spare_pages(size, (size - unused) / fillfactor / PAGE_BYTES)


def _unused_index(figures: list[float], fillfactor: float) -> float:
    """Pages that a new index of the same entries would not have."""
    size, leaves, inner, density = figures
    full = 0.0 if math.isnan(density) else leaves * density / 100 / fillfactor
    return _spare_pages(size, full + inner + 1)


def _spare_pages(size_bytes: float, needed: float) -> float:
    return max(0.0, 100 * (1 - needed * PAGE_BYTES / size_bytes)) if size_bytes else 0.0


class BloatMeasurements(SqlFact[BloatFigures]):
    """What pgstattuple finds in those that the estimate suspects, the most bytes first, in half the statement's time.

    One is begun when 200 MB a second would bring it to an end in that time.
    https://www.postgresql.org/docs/current/pgstattuple.html
    """

    sql = (
        f"WITH suspect AS MATERIALIZED (SELECT * FROM (\n{scripts.sql('facts/bloat_estimates')}) AS space\n"  # noqa: S608
        f"WHERE estimate IS NULL OR estimate >= {SUSPECT:.0f})\n{scripts.sql('facts/bloat_measurements')}"
    )

    def parse(self, result: Result, database: Database) -> BloatFigures:
        """A server without pgstattuple measures nothing, which is no failure where nothing is suspected."""
        if "function pgstat" in result.error and "does not exist" in result.error:
            return BloatFigures({}, ": the extension pgstattuple is not there")
        return BloatFigures({int(oid): _figures(values) for oid, values in granted(result)})


def _figures(values: list[Any] | None) -> list[float] | None:
    return None if values is None else [float("nan" if each is None else each) for each in values]
