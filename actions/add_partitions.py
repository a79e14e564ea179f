"""Makes the partitions that are missing of tables by months: in between, and for the months to come.

A new one is like the newest there is, in its name, storage, privileges, row-level security, publications and replica
identity; what it lacks all the same, as an index or a trigger of that one alone, is said. It is made beside the table
and attached, without keeping anybody waiting for more than a second. A table whose default partition holds rows of such
a month, or whose newest partition cannot be copied, is refused; where --table does not name it, it is left out, and the
others get theirs.
"""

import sys
from argparse import ArgumentParser
from datetime import date
from functools import partial

from opsproof.action import Step, main
from opsproof.core.errors import InventoryError, MeasurementError, NotRepaired, Refused
from opsproof.maintenance import partitions
from opsproof.maintenance.base import Maintaining
from opsproof.maintenance.partitions import Months
from opsproof.maintenance.tables import in_full


class AddPartitions(Maintaining):
    """One step for each month of each table."""

    name = "add_partitions"

    @classmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        """Which tables, and how far ahead."""
        super().add_arguments(parser)
        parser.add_argument("--table", action="append", metavar="NAME", help="schema.table; else all that are declared")
        parser.add_argument("--ahead", type=int, metavar="N", help="months after this one; else as declared, or 1")

    def plan(self) -> list[Step]:
        """The oldest missing month first."""
        return self.some(self._steps())

    def _steps(self) -> list[Step]:
        found = [each for each in partitions.look(self.session, self._ahead()) if each.missing]
        self.found = found if self.options.table else [each for each in found if self._is_possible(each)]
        return [
            Step(
                f"make {table.schema}.{table.name_of(month)} for {month:%Y-%m} of {table}",
                partial(self._make, table, month),
                (str(table),),
            )
            for table in self.found
            for month in table.missing
        ]

    def _make(self, table: Months, month: date) -> None:
        partitions.add(self.session, table, month)
        if lacking := partitions.lacking(self.session, table, month):
            self.work.say(f"     {lacking}")
            self.measured[f"lacking_of_{table.schema}.{table.name_of(month)}"] = lacking

    def _is_possible(self, table: Months) -> bool:
        """Whether it gets its months; the others do not wait for one that nobody named."""
        try:
            self._require(table)
        except Refused as error:
            self.leave_out(str(error))
        except MeasurementError as error:
            self.not_judge(f"{table}: {error}")
        else:
            return True
        return False

    def _ahead(self) -> dict[str, int]:
        """For how many months after this one each table is to have partitions."""
        here = [each for each in self.host.partitioned.values() if each.database == self.session.client.name]
        declared = {in_full(each.table): each.ahead for each in here}
        wanted = list(map(in_full, self.options.table)) if self.options.table else list(declared)
        if not wanted:
            raise InventoryError(f"hosts.{self.host.name} declares no partitioned tables, and there is no --table")
        return {each: declared.get(each, 1) if self.options.ahead is None else self.options.ahead for each in wanted}

    def guard(self, steps: list[Step]) -> None:
        """Nothing is begun that the role may not do, or that rows stand in the way of."""
        super().guard(steps)
        for table in self.found:
            self._require(table)

    def _require(self, table: Months) -> None:
        if not table.owned:
            raise Refused(f"{table} belongs to {table.owner}: GRANT {table.owner} TO {self.session.client.user}")
        partitions.require_copyable(self.session, table)
        table.require_months()
        partitions.require_empty_default(self.session, table)

    def prove(self, steps: list[Step]) -> None:
        """No month is missing any more, of any table.

        Raises:
            NotRepaired: one is.
            MeasurementError: that cannot be told.
        """
        del steps
        if left := self._steps():
            raise NotRepaired(f"still to be done: {'; '.join(step.title for step in left)}")
        self.require_all()


if __name__ == "__main__":
    sys.exit(main(AddPartitions))
