"""The monthly partitions of a table: which are missing, what a missing one is called, how it is made."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from itertools import product
from typing import Any

from opsproof.core import scripts
from opsproof.core.errors import Absent, InventoryError, Refused, StepFailed
from opsproof.facts.partitions import EVER, Partition, PartitionedTable, Partitions
from opsproof.maintenance.session import LOCK_S, MaintenanceSession

TOO_LARGE = (
    "{} cannot be locked and looked through within a second, for which others wait: move rows out of it, or give it a"
    " CHECK constraint that excludes the month"
)


@dataclass(frozen=True)
class Months:
    """A table that is partitioned by the months of a `column`, and the months that are to get a partition.

    `default` is its default partition, or empty; `numbers` are the server's own of the partitions, by name.
    """

    schema: str
    name: str
    column: str
    owner: str
    owned: bool
    default: str
    numbers: Mapping[str, int]
    found: PartitionedTable
    missing: tuple[date, ...]

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def newest(self) -> Partition | None:
        """The latest of its partitions that has a beginning."""
        begun = [each for each in self.found.partitions if not each.is_default and each.span[0] > EVER[0]]
        return max(begun, key=lambda each: each.span, default=None)

    @property
    def sibling(self) -> str:
        """The number of its newest partition, which a new one is made like; 0 where there is none."""
        return str(self.numbers[self.newest.name] if self.newest else 0)

    def require_months(self) -> None:
        """Says no where a part of a missing month has a partition.

        Raises:
            Refused: one has.
        """
        others = [each for each in self.found.partitions if not each.is_default]
        for month, each in product(self.missing, others):
            start, end = each.span
            if end.date() <= month or start.date() >= after(month):
                continue
            if not each.takes_rows:
                raise Refused(f"{each.name} is itself partitioned, has no partition and takes no rows of {month:%Y-%m}")
            raise Refused(f"{self} is not partitioned by months of UTC: a part of {month:%Y-%m} has a partition")

    def name_of(self, month: date) -> str:
        """What the partition of a month is called: as its newest one is, else with year and month behind the table."""
        if self.newest:
            start = self.newest.span[0]
            pattern = rf"{start:%Y}(\D*){start:%m}(?!\d)"
            name, found = re.subn(pattern, rf"{month:%Y}\g<1>{month:%m}", self.newest.name, count=1)
            if found:
                return name
        return f"{self.name}_{month:%Y_%m}"


def after(month: date) -> date:
    """The first day of the month after one that begins on `month`."""
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def look(session: MaintenanceSession, ahead: Mapping[str, int]) -> list[Months]:
    """The partitioned tables that `ahead` names in full, each with the months it lacks up to so many after this one.

    Raises:
        InventoryError: one is not there, or not partitioned by ranges of one column of times.
        MeasurementError: they cannot be seen.
    """
    found, known = session.measure(Partitions()), session.ask("partitions", names=json.dumps(list(ahead)))
    details = {f"{each['schema']}.{each['name']}": each for each in known}
    return [_months(session, name, count, details, found) for name, count in ahead.items()]


def _months(
    session: MaintenanceSession,
    name: str,
    ahead: int,
    details: Mapping[str, dict[str, Any]],
    found: Mapping[str, PartitionedTable],
) -> Months:
    try:
        table, said = found[name], details[name]
    except (Absent, KeyError):
        raise InventoryError(
            f"{name} of {session.client.name} is no table that is partitioned by a range of times"
        ) from None
    return Months(found=table, missing=tuple(table.uncovered_months(ahead)), **said)


def require_empty_default(session: MaintenanceSession, table: Months) -> None:
    """Says no where the default partition holds rows of a missing month: none can be made for it then.

    Raises:
        Refused: it does.
        MeasurementError: that cannot be seen.
    """
    for month in table.missing if table.default else ():
        values = {"default": table.default, "column": table.column, **_bounds(month)}
        if session.ask("default_rows", **values):
            raise Refused(
                f"{table.default} holds rows of {month:%Y-%m}: move them elsewhere first, and back afterwards"
            )


def require_copyable(session: MaintenanceSession, table: Months) -> None:
    """Says no where none can be made like the newest partition.

    Raises:
        Refused: why.
        MeasurementError: that cannot be seen.
    """
    if found := session.ask("obstacles", sibling=table.sibling):
        raise Refused("; ".join(found))


def add(session: MaintenanceSession, table: Months, month: date) -> None:
    """Makes the partition of a month, unless an earlier run does: one that is killed leaves the server at work.

    Raises:
        StepFailed: there is none.
    """
    name = table.name_of(month)
    values = {"parent": table.name, "sibling": table.sibling, **_bounds(month)}
    script, settings = scripts.sql("maintenance/add_partition"), {"lock_timeout": f"{LOCK_S}s"}
    late = TOO_LARGE.format(table.default) if table.default else ""
    try:
        session.do(f"make {table.schema}.{name}", script, settings, late, schema=table.schema, name=name, **values)
    except StepFailed:
        if not session.measure(Partitions())[str(table)].covers(month):
            raise


def lacking(session: MaintenanceSession, table: Months, month: date) -> str:
    """What the newest partition has of its own and the one of a month, made like it, has not; empty where it has all.

    Raises:
        MeasurementError: that cannot be seen.
    """
    newest, name = table.newest, table.name_of(month)
    if newest is None:
        return ""
    found = session.ask("lacking", schema=table.schema, name=name, sibling=table.sibling)
    return f"{table.schema}.{name} lacks what {newest.name} has: {'; '.join(found)}" if found else ""


def _bounds(month: date) -> dict[str, str]:
    return {"start": f"{month}", "finish": f"{after(month)}"}
