"""Partitions of a table by day, week or month: finds missing spans, names and creates their partitions."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import product
from typing import Any

from opsproof.core import scripts
from opsproof.core.errors import Absent, InventoryError, Refused, StepFailed
from opsproof.core.spans import SpanCalendar
from opsproof.facts.partitions import EVER, Partition, PartitionedTable, Partitions
from opsproof.maintenance.session import LOCK_S, MaintenanceSession

TOO_LARGE = (
    "{} cannot be locked and scanned in time (limit 1 s, because other sessions wait): move rows out of it, or"
    " add a CHECK constraint that excludes the span"
)


@dataclass(frozen=True)
class TimePartitions:
    """A table with partitions by time on `column`, and the first days of spans without a partition.

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

    @property
    def calendar(self) -> SpanCalendar:
        """The spans of the partitions."""
        return self.found.calendar

    def require_spans(self) -> None:
        """Checks for partitions that cover only part of a missing span.

        Raises:
            Refused: a partition covers part of the span, or is partitioned and takes no rows.
        """
        others = [each for each in self.found.partitions if not each.is_default]
        for first, each in product(self.missing, others):
            start, end = each.span
            if end.date() <= first or start.date() >= self.calendar.after(first):
                continue
            title = self.calendar.title(first)
            if not each.takes_rows:
                raise Refused(f"{each.name} is partitioned but has no partition for rows of {title}")
            raise Refused(f"{self} is not partitioned by UTC {self.calendar.by}s: a partition covers part of {title}")

    def name_of(self, first: date) -> str:
        """The partition's name: as the newest partition, with the digits of the date; otherwise TABLE_YYYY_MM (_DD)."""
        parts = ("%Y", "%m") if self.calendar.by == "month" else ("%Y", "%m", "%d")
        if self.newest:
            pattern = r"(\D*)".join(f"{self.newest.span[0]:{each}}" for each in parts) + r"(?!\d)"
            fresh = "".join(f"{first:{each}}" + rf"\g<{number}>" for number, each in enumerate(parts[:-1], 1))
            name, found = re.subn(pattern, f"{fresh}{first:{parts[-1]}}", self.newest.name, count=1)
            if found:
                return name
        return f"{self.name}_{first:{'_'.join(parts)}}"


def find(session: MaintenanceSession, wanted: Mapping[str, tuple[str, int]]) -> list[TimePartitions]:
    """The partitioned tables in `wanted` (schema.table): span and number of spans from now; with missing spans.

    Raises:
        InventoryError: a table does not exist, or has no range partitions on a single date or timestamp column.
        MeasurementError: the query failed.
    """
    found, known = session.measure(Partitions()), session.ask("partitions", names=json.dumps(list(wanted)))
    details = {f"{each['schema']}.{each['name']}": each for each in known}
    return [_found(session, name, each, details, found) for name, each in wanted.items()]


def _found(
    session: MaintenanceSession,
    name: str,
    wanted: tuple[str, int],
    details: Mapping[str, dict[str, Any]],
    found: Mapping[str, PartitionedTable],
) -> TimePartitions:
    by, ahead = wanted
    try:
        table, said = found[name].every(by), details[name]
    except (Absent, KeyError):
        raise InventoryError(
            f"{name} of {session.client.name} is not a table with range partitions on a date or timestamp"
        ) from None
    return TimePartitions(found=table, missing=tuple(table.uncovered(ahead)), **said)


def require_empty_default(session: MaintenanceSession, table: TimePartitions) -> None:
    """Checks whether the default partition holds rows of a missing span, which block the new partition.

    Raises:
        Refused: the default partition holds rows of a missing span.
        MeasurementError: the query failed.
    """
    for first in table.missing if table.default else ():
        values = {"default": table.default, "column": table.column, **_bounds(table, first)}
        if session.ask("default_rows", **values):
            title = table.calendar.title(first)
            raise Refused(f"{table.default} holds rows of {title}: move them out, add the partition, move them back")


def require_copyable(session: MaintenanceSession, table: TimePartitions) -> None:
    """Checks whether the newest partition can serve as template.

    Raises:
        Refused: lists the obstacles.
        MeasurementError: the query failed.
    """
    if found := session.ask("obstacles", sibling=table.sibling):
        raise Refused("; ".join(found))


def require_makeable(session: MaintenanceSession, table: TimePartitions) -> None:
    """Checks whether the names of the missing partitions are free, and the owner may create tables there.

    Raises:
        Refused: lists the obstacles.
        MeasurementError: the query failed.
    """
    names = json.dumps([table.name_of(first) for first in table.missing])
    values = {"schema": table.schema, "parent": table.name, "owner": table.owner, "sibling": table.sibling}
    if found := session.ask("unmakeable", names=names, **values):
        raise Refused("; ".join(found))


def require_different_names(tables: Sequence[TimePartitions]) -> None:
    """Checks that no two tables would give their new partitions the same name.

    Raises:
        Refused: names a partition and both tables.
    """
    known: dict[tuple[str, str], TimePartitions] = {}
    for table in tables:
        for name in map(table.name_of, table.missing):
            if (other := known.setdefault((table.schema, name), table)) is not table:
                raise Refused(
                    f"{other} and {table} would both get {table.schema}.{name}: rename the newest partition of one"
                )


def require_no_foreign_code(session: MaintenanceSession, table: TimePartitions) -> None:
    """Checks that definitions of the table and its partitions call only functions of superusers.

    Attaching a partition evaluates them in the session of the maintenance role.

    Raises:
        Refused: names a function and its owner.
        MeasurementError: the query failed.
    """
    if found := session.ask("foreign_code", schema=table.schema, name=table.name):
        raise Refused(
            f"{table} calls {found[0]}, which would run with the rights of {session.client.user}: a superuser must own"
            " the function"
        )


def add(session: MaintenanceSession, table: TimePartitions, first: date) -> None:
    """Creates the partition from `first` on; succeeds too if the leftover session of a killed run has just created it.

    Raises:
        StepFailed: the partition does not exist.
    """
    name = table.name_of(first)
    values = {"parent": table.name, "sibling": table.sibling, **_bounds(table, first)}
    script, settings = scripts.sql("maintenance/add_partition"), {"lock_timeout": f"{LOCK_S}s"}
    late = TOO_LARGE.format(table.default) if table.default else ""
    try:
        session.do(f"create {table.schema}.{name}", script, settings, late, schema=table.schema, name=name, **values)
    except StepFailed:
        if not session.measure(Partitions())[str(table)].every(table.calendar.by).covers(first):
            raise


def missing_properties(session: MaintenanceSession, table: TimePartitions, first: date) -> str:
    """Lists properties of the newest partition that the new partition lacks; empty if all are there.

    Raises:
        MeasurementError: the query failed.
    """
    newest, name = table.newest, table.name_of(first)
    if newest is None:
        return ""
    found = session.ask("lacking", schema=table.schema, name=name, sibling=table.sibling)
    return f"{table.schema}.{name} differs from {newest.name}: missing {'; '.join(found)}" if found else ""


def _bounds(table: TimePartitions, first: date) -> dict[str, str]:
    return {"start": f"{first}", "finish": f"{table.calendar.after(first)}"}
