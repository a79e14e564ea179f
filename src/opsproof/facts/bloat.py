"""Unused space (bloat) of tables and B-tree indexes: estimated for all, measured where the estimate is high."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opsproof.core import scripts
from opsproof.core.errors import MeasurementError
from opsproof.core.limits import Limit
from opsproof.core.units import show
from opsproof.facts.base import SqlFact
from opsproof.facts.findings import Findings, privileged_rows
from opsproof.inventory.resources import Database
from opsproof.postgres.connection import Result
from opsproof.postgres.quoting import literal, qualified

SUSPECT = 30.0
"""Estimates from 30 % up are measured: ten points below the warning limit."""
PAGE_BYTES = 8192
USABLE_BYTES = 8168
TOASTED_BYTES = 2032
"""TOAST keeps rows below this size unless storage forbids; wider rows leave page space unused, without bloat."""


@dataclass(frozen=True)
class Space:
    """A table, TOAST table or index, with its unused share in percent as estimated from statistics.

    `estimate` is None if statistics do not suffice, as for every TOAST table. `fillfactor` is a fraction.
    """

    oid: int
    kind: str
    name: str
    size_bytes: int
    fillfactor: float
    estimate: float | None

    @property
    def query(self) -> str:
        """Query that measures the relation."""
        name = literal(qualified(self.name))
        if self.kind == "TOAST":
            return f"SELECT t.* FROM pg_class, pgstattuple_approx(reltoastrelid) t WHERE oid = {name}::regclass"  # noqa: S608
        return f"SELECT * FROM {'pgstatindex' if self.kind == 'index' else 'pgstattuple_approx'}({name})"  # noqa: S608


@dataclass(frozen=True)
class Bloat:
    """Unused share of a relation in percent, None if unknown; `how` is the method."""

    space: Space
    share: float | None
    how: str

    def __str__(self) -> str:
        name = f"{self.space.name} (TOAST)" if self.space.kind == "TOAST" else self.space.name
        share = "" if self.share is None else f"{self.share:.0f} % unused, "
        return f"{name}: {show(self.space.size_bytes, 'bytes')}, {share}{self.how}"


@dataclass(frozen=True)
class Bloats:
    """Tables or indexes over the minimum size, unknown ones first, then by bloat."""

    bloats: tuple[Bloat, ...]

    @property
    def found(self) -> Findings[Bloat]:
        """All relations, with the query that measures the first."""
        return Findings(self.bloats, self.bloats[0].space.query if self.bloats else "")

    @property
    def share(self) -> float:
        """Largest known share, in percent."""
        return max((each.share for each in self.bloats if each.share is not None), default=0.0)

    def over(self, limit: Limit) -> list[str]:
        """Names of relations over `limit`."""
        known = [(each.space.name, each.share) for each in self.bloats if each.share is not None]
        return list(dict.fromkeys(name for name, share in known if limit.judge(share).verdict != "passed"))

    def require_measured(self) -> None:
        """Requires a measured share for every relation that may be bloated.

        Raises:
            MeasurementError: the share of a relation is unknown; the message says why.
        """
        if unknown := [each for each in self.bloats if each.share is None]:
            names = ", ".join(each.space.name for each in unknown[:3])
            raise MeasurementError(f"{len(unknown)} relations may be bloated, {unknown[0].how}: {names}")


@dataclass(frozen=True)
class BloatCandidates:
    """Relations of a database over the minimum size, with estimates."""

    spaces: tuple[Space, ...]

    def tables(self, measured: "BloatFigures") -> Bloats:
        """Tables and TOAST tables."""
        return measured.assess([each for each in self.spaces if each.kind != "index"])

    def indexes(self, measured: "BloatFigures") -> Bloats:
        """B-tree indexes."""
        return measured.assess([each for each in self.spaces if each.kind == "index"])


class BloatEstimates(SqlFact[BloatCandidates]):
    """Estimated unused space of tables and B-tree indexes of 1 MiB or more, from ANALYZE statistics.

    Underestimated row counts, columns without statistics and duplicate keys make estimates too high; then the
    measurement decides. Relations below the inventory's `large_table` or `large_index` are skipped.
    """

    sql = scripts.sql("facts/bloat_estimates")

    def parse(self, result: Result, database: Database) -> BloatCandidates:
        """No row is a valid answer: the database has no large relation."""
        spaces = [_space(row) for row in privileged_rows(result)]
        least = {"index": database.large_index}
        return BloatCandidates(
            tuple(each for each in spaces if each.size_bytes >= least.get(each.kind, database.large_table))
        )


def _space(row: list[Any]) -> Space:
    oid, kind, name, size, fillfactor, estimate = row
    if kind not in ("table", "TOAST", "index"):
        raise ValueError(f"unknown kind of relation {kind!r}")
    return Space(int(oid), kind, name, int(size), float(fillfactor), None if estimate is None else float(estimate))


@dataclass(frozen=True)
class BloatFigures:
    """pgstattuple's figures for relations with a high estimate, by OID; None if time ran out."""

    figures: Mapping[int, list[float] | None]
    missing: str = ""

    def assess(self, spaces: list[Space]) -> Bloats:
        """Bloat of `spaces`, by estimate or measurement."""
        known = sorted(
            map(self._assess_one, spaces), key=lambda each: -(math.inf if each.share is None else each.share)
        )
        return Bloats(tuple(known))

    def _assess_one(self, space: Space) -> Bloat:
        if space.estimate is not None and space.estimate < SUSPECT:
            return Bloat(space, space.estimate, "estimated")
        if figures := self.figures.get(space.oid):
            unused = _unused_index if space.kind == "index" else _unused_table
            return Bloat(space, unused(figures, space.fillfactor), "measured")
        return Bloat(space, None, f"not measured ({self.missing or 'out of time: raise the timeout'})")


def _unused_table(figures: list[float], fillfactor: float) -> float:
    """Share that a rewrite would free; a rewrite leaves free space according to the fill factor."""
    size, unused, live_bytes, live = figures
    if live and live_bytes / live > TOASTED_BYTES:
        rows_a_page = max(1, USABLE_BYTES * fillfactor // (live_bytes / live))
        return _spare_pages(size, live / rows_a_page)
    return _spare_pages(size, (size - unused) / fillfactor / PAGE_BYTES)


def _unused_index(figures: list[float], fillfactor: float) -> float:
    """Share of pages that a rebuilt index would not need."""
    size, leaves, inner, density = figures
    full = 0.0 if math.isnan(density) else leaves * density / 100 / fillfactor
    return _spare_pages(size, full + inner + 1)


def _spare_pages(size_bytes: float, needed: float) -> float:
    return max(0.0, 100 * (1 - needed * PAGE_BYTES / size_bytes)) if size_bytes else 0.0


class BloatMeasurements(SqlFact[BloatFigures]):
    """pgstattuple's figures for relations with a high estimate, the largest waste first, in half the statement timeout.

    A relation is measured only if reading at 200 MB/s would finish in time.
    https://www.postgresql.org/docs/current/pgstattuple.html
    """

    sql = (
        f"WITH suspect AS MATERIALIZED (SELECT * FROM (\n{scripts.sql('facts/bloat_estimates')}) AS space\n"  # noqa: S608
        f"WHERE estimate IS NULL OR estimate >= {SUSPECT:.0f})\n{scripts.sql('facts/bloat_measurements')}"
    )

    def parse(self, result: Result, database: Database) -> BloatFigures:
        """Without pgstattuple nothing is measured, which matters only if an estimate is high."""
        if "function pg_catalog.pgstat" in result.error and "does not exist" in result.error:
            return BloatFigures({}, "extension pgstattuple is not installed")
        return BloatFigures({int(oid): _figures(values) for oid, values in privileged_rows(result)})


def _figures(values: list[Any] | None) -> list[float] | None:
    return None if values is None else [float("nan" if each is None else each) for each in values]
