"""Monthly partitions of a table: finds missing months, names and creates their partitions."""

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
    "{} cannot be locked and scanned in time (limit 1 s, because other sessions wait): move rows out of it, or"
    " add a CHECK constraint that excludes the month"
)


@dataclass(frozen=True)
class Months:
    """A table with monthly partitions on `column`, and the months without a partition.

    `default` is the default partition, or empty; `numbers` are the OIDs of the partitions, by name.
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
        """The latest partition with a lower bound."""
        begun = [each for each in self.found.partitions if not each.is_default and each.span[0] > EVER[0]]
        return max(begun, key=lambda each: each.span, default=None)

    @property
    def sibling(self) -> str:
        """The OID of the newest partition, the template of new partitions; 0 if the table has no partition."""
        return str(self.numbers[self.newest.name] if self.newest else 0)

    def require_months(self) -> None:
        """Checks for partitions that cover only part of a missing month.

        Raises:
            Refused: a partition covers part of the month, or is partitioned and takes no rows.
        """
        others = [each for each in self.found.partitions if not each.is_default]
        for month, each in product(self.missing, others):
            start, end = each.span
            if end.date() <= month or start.date() >= after(month):
                continue
            if not each.takes_rows:
                raise Refused(f"{each.name} is partitioned but has no partition for rows of {month:%Y-%m}")
            raise Refused(f"{self} is not partitioned by UTC months: a partition covers part of {month:%Y-%m}")

    def name_of(self, month: date) -> str:
        """The partition's name: as the newest partition, with the month's digits; otherwise TABLE_YYYY_MM."""
        if self.newest:
            start = self.newest.span[0]
            pattern = rf"{start:%Y}(\D*){start:%m}(?!\d)"
            name, found = re.subn(pattern, rf"{month:%Y}\g<1>{month:%m}", self.newest.name, count=1)
            if found:
                return name
        return f"{self.name}_{month:%Y_%m}"


def after(month: date) -> date:
    """The first day of the next month."""
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def find(session: MaintenanceSession, ahead: Mapping[str, int]) -> list[Months]:
    """The partitioned tables in `ahead` (schema.table), with their missing months up to `ahead` months from now.

    Raises:
        InventoryError: a table does not exist, or has no range partitions on a single date or timestamp column.
        MeasurementError: the query failed.
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
            f"{name} of {session.client.name} is not a table with range partitions on a date or timestamp"
        ) from None
    return Months(found=table, missing=tuple(table.uncovered_months(ahead)), **said)


def require_empty_default(session: MaintenanceSession, table: Months) -> None:
    """Checks whether the default partition holds rows of a missing month, which block the new partition.

    Raises:
        Refused: the default partition holds rows of a missing month.
        MeasurementError: the query failed.
    """
    for month in table.missing if table.default else ():
        values = {"default": table.default, "column": table.column, **_bounds(month)}
        if session.ask("default_rows", **values):
            raise Refused(
                f"{table.default} holds rows of {month:%Y-%m}: move them out, add the partition, move them back"
            )


def require_copyable(session: MaintenanceSession, table: Months) -> None:
    """Checks whether the newest partition can serve as template.

    Raises:
        Refused: lists the obstacles.
        MeasurementError: the query failed.
    """
    if found := session.ask("obstacles", sibling=table.sibling):
        raise Refused("; ".join(found))


def add(session: MaintenanceSession, table: Months, month: date) -> None:
    """Creates the partition of a month; succeeds too if the leftover session of a killed run has just created it.

    Raises:
        StepFailed: the partition does not exist.
    """
    name = table.name_of(month)
    values = {"parent": table.name, "sibling": table.sibling, **_bounds(month)}
    script, settings = scripts.sql("maintenance/add_partition"), {"lock_timeout": f"{LOCK_S}s"}
    late = TOO_LARGE.format(table.default) if table.default else ""
    try:
        session.do(f"create {table.schema}.{name}", script, settings, late, schema=table.schema, name=name, **values)
    except StepFailed:
        if not session.measure(Partitions())[str(table)].covers(month):
            raise


def missing_properties(session: MaintenanceSession, table: Months, month: date) -> str:
    """Lists properties of the newest partition that the new partition lacks; empty if all are there.

    Raises:
        MeasurementError: the query failed.
    """
    newest, name = table.newest, table.name_of(month)
    if newest is None:
        return ""
    found = session.ask("lacking", schema=table.schema, name=name, sibling=table.sibling)
    return f"{table.schema}.{name} differs from {newest.name}: missing {'; '.join(found)}" if found else ""


def _bounds(month: date) -> dict[str, str]:
    return {"start": f"{month}", "finish": f"{after(month)}"}
