"""The monthly partitions of a table: which are there, which are missing, what a missing one is called."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime

from opsproof.errors import InventoryError, Refused
from opsproof.maintenance.client import text
from opsproof.maintenance.session import LOCK_S, Session
from opsproof.maintenance.tables import Name

_BOUND = re.compile(r"FOR VALUES FROM \((?:'([^']+)'|MINVALUE)\) TO \((?:'([^']+)'|MAXVALUE)\)")


@dataclass(frozen=True)
class Partition:
    """A partition with its bounds in UTC, the upper one outside of it; None where there is no bound."""

    oid: int
    name: str
    start: datetime | None
    end: datetime | None

    def covers(self, month: date) -> bool:
        """Whether all of a month belongs into it."""
        starts = self.start is None or self.start <= _midnight(month)
        return starts and (self.end is None or self.end >= _midnight(after(month)))

    def touches(self, month: date) -> bool:
        """Whether any of a month belongs into it."""
        starts = self.start is None or self.start < _midnight(after(month))
        return starts and (self.end is None or self.end > _midnight(month))


@dataclass(frozen=True)
class Partitioned:
    """A table that is partitioned by the months of a column; `default` is its default partition, or empty."""

    schema: str
    name: str
    column: str
    owner: str
    owned: bool
    default: str
    partitions: tuple[Partition, ...]

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def newest(self) -> Partition | None:
        """The latest of its partitions that has a beginning."""
        bound = [each for each in self.partitions if each.start is not None]
        return max(bound, key=lambda each: each.start or _midnight(date.min)) if bound else None

    def missing(self, today: date, ahead: int) -> list[date]:
        """The first days of the months without a partition, from its first one to so many after this one.

        Raises:
            Refused: it is not partitioned by months.
        """
        this = today.replace(day=1)
        starts = [each.start.date().replace(day=1) for each in self.partitions if each.start]
        month, last, found = min([*starts, this]), months_on(this, ahead), []
        while month <= last:
            if not any(each.covers(month) for each in self.partitions):
                if any(each.touches(month) for each in self.partitions):
                    raise Refused(
                        f"{self} is not partitioned by months of UTC: a part of {month:%Y-%m} has a partition"
                    )
                found.append(month)
            month = after(month)
        return found

    def name_of(self, month: date) -> str:
        """What the partition of a month is called: as its newest one is, else with year and month behind the table."""
        newest = self.newest
        if newest and newest.start:
            pattern = rf"{newest.start:%Y}(\D*){newest.start:%m}(?!\d)"
            name, found = re.subn(pattern, rf"{month:%Y}\g<1>{month:%m}", newest.name, count=1)
            if found:
                return name
        return f"{self.name}_{month:%Y_%m}"


def after(month: date) -> date:
    """The first day of the month after one that begins on `month`."""
    return months_on(month, 1)


def months_on(month: date, count: int) -> date:
    """The first day of the month that is so many after one that begins on `month`."""
    total = month.year * 12 + month.month - 1 + count
    return date(total // 12, total % 12 + 1, 1)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _partition(oid: int, name: str, bound: str) -> Partition:
    found = _BOUND.fullmatch(bound)
    assert found is not None
    return Partition(oid, name, *(_moment(each) for each in found.groups()))


def _moment(said: str | None) -> datetime | None:
    bounded = said is not None and not said.endswith("infinity")
    return datetime.fromisoformat(said).replace(tzinfo=UTC) if bounded and said else None


def look(session: Session, names: Iterable[Name]) -> tuple[date, list[Partitioned]]:
    """The server's day in UTC, and the partitioned tables called `names` as they are now.

    Raises:
        InventoryError: one is not there, or not partitioned by ranges of one column of times.
        MeasurementError: they cannot be seen.
    """
    said = session.ask("partitions.sql", names=json.dumps(list(names)))
    return date.fromisoformat(said["today"]), [_table(session, each) for each in said["tables"] or []]


def _table(session: Session, said: dict) -> Partitioned:  # type: ignore[type-arg]
    if not (said.pop("there") and said.pop("by_time")):
        name = f"{said['schema']}.{said['name']}"
        raise InventoryError(f"{name} of {session.client.name} is no table that is partitioned by a range of times")
    bound = [each for each in said.pop("partitions") if each["bound"] != "DEFAULT"]
    default = said.pop("default") or ""
    return Partitioned(default=default, partitions=tuple(_partition(**each) for each in bound), **said)


def require_empty_default(session: Session, table: Partitioned, month: date) -> None:
    """Says no where the default partition holds rows of a month: none can be made for it then.

    Raises:
        Refused: it does.
        MeasurementError: that cannot be seen.
    """
    if not table.default:
        return
    values = {"default": table.default, "column": table.column, "start": f"{month}", "finish": f"{after(month)}"}
    if session.ask("default_rows.sql", **values):
        raise Refused(f"{table.default} holds rows of {month:%Y-%m}: move them elsewhere first, and back afterwards")


def add(session: Session, table: Partitioned, month: date) -> None:
    """Makes the partition of a month.

    Raises:
        StepFailed: there is none.
    """
    newest, name = table.newest, table.name_of(month)
    values = {
        "parent": table.name,
        "sibling": str(newest.oid if newest else 0),
        "start": f"{month}",
        "finish": f"{after(month)}",
    }
    settings = {"lock_timeout": f"{LOCK_S}s"}
    script = text("add_partition.sql")
    session.do(f"make {table.schema}.{name}", script, settings, schema=table.schema, name=name, **values)
