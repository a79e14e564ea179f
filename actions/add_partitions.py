"""Creates missing partitions by day, week or month: gaps, and spans to come.

A new partition copies name pattern, storage, privileges, row-level security, publications and replica identity of the
newest partition; remaining differences, for example an extra index or trigger, are reported. The partition is created
as a separate table and then attached: sessions wait a second at most. A table is refused if the default partition holds
rows of a missing span, if the newest partition cannot be copied, or if another object has the name of a new partition;
without --table, refused tables are skipped.
"""

import sys
from argparse import ArgumentParser
from datetime import date
from functools import partial

import installed  # noqa: F401

from opsproof.action import Step, main
from opsproof.core.errors import InventoryError, MeasurementError, NotRepaired, Refused
from opsproof.maintenance import partitions
from opsproof.maintenance.base import Maintaining
from opsproof.maintenance.partitions import TimePartitions
from opsproof.maintenance.tables import qualify


class AddPartitions(Maintaining):
    """A step per missing span and table."""

    name = "add_partitions"
    defines = True

    @classmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        """Adds --table and --ahead."""
        super().add_arguments(parser)
        parser.add_argument(
            "--table", action="append", metavar="NAME", help="schema.table; may be given several times (default: all)"
        )
        parser.add_argument(
            "--ahead",
            type="count",
            metavar="N",
            help="days, weeks or months to add after the current one (default: the declared `ahead`, or 1)",
        )

    def plan(self) -> list[Step]:
        """Oldest missing span first."""
        return self.require_candidates(self._steps())

    def _steps(self) -> list[Step]:
        found = [each for each in partitions.find(self.session, self._wanted()) if each.missing]
        self.found = found if self.options.table else [each for each in found if self._is_possible(each)]
        return [
            Step(
                f"create {table.schema}.{table.name_of(first)} for {table.calendar.title(first)} of {table}",
                partial(self._make, table, first),
                (str(table),),
            )
            for table in self.found
            for first in table.missing
        ]

    def _make(self, table: TimePartitions, first: date) -> None:
        partitions.add(self.session, table, first)
        if lacking := partitions.missing_properties(self.session, table, first):
            self.work.say(f"     {lacking}")
            self.measured[f"lacking_of_{table.schema}.{table.name_of(first)}"] = lacking

    def _is_possible(self, table: TimePartitions) -> bool:
        """Whether the table can get partitions; reports the reason if not."""
        try:
            self._require(table)
        except Refused as error:
            self.skip(str(error))
        except MeasurementError as error:
            self.skip_unknown(f"{table}: {error}")
        else:
            return True
        return False

    def _wanted(self) -> dict[str, tuple[str, int]]:
        """The span of partitions and the number of spans after the current, by table; undeclared tables have months."""
        here = [each for each in self.host.partitioned.values() if each.database == self.session.client.name]
        declared = {qualify(each.table): (each.by, each.ahead) for each in here}
        wanted = list(map(qualify, self.options.table)) if self.options.table else list(declared)
        if not wanted:
            raise InventoryError(f"hosts.{self.host.name} declares no partitioned tables: use --table")
        spans = {each: declared.get(each, ("month", 1)) for each in wanted}
        given = self.options.ahead
        return {each: (by, ahead if given is None else given) for each, (by, ahead) in spans.items()}

    def guard(self, steps: list[Step]) -> None:
        """Refuses tables without ownership, with an unsuitable newest partition, or with rows in the way."""
        super().guard(steps)
        for table in self.found:
            self._require(table)
        partitions.require_different_names(self.found)

    def _require(self, table: TimePartitions) -> None:
        if not table.owned:
            raise Refused(f"{table} belongs to {table.owner}: GRANT {table.owner} TO {self.session.client.user}")
        partitions.require_no_foreign_code(self.session, table)
        partitions.require_copyable(self.session, table)
        partitions.require_makeable(self.session, table)
        table.require_spans()
        partitions.require_empty_default(self.session, table)

    def prove(self, steps: list[Step]) -> None:
        """No table misses a span.

        Raises:
            NotRepaired: lists the missing partitions.
            MeasurementError: a query failed.
        """
        del steps
        if left := self._steps():
            raise NotRepaired(f"steps remain after the run: {'; '.join(step.title for step in left)}")
        self.require_nothing_skipped()


if __name__ == "__main__":
    sys.exit(main(AddPartitions))
