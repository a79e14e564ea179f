"""Makes the partitions that are missing of tables by months: in between, and for the months to come.

A new one is like the newest there is, in its name, owner, privileges and row-level security. It is made beside the
table and attached, without keeping anybody waiting for more than a second. It is refused where the default partition holds
rows of such a month.
"""

import sys
from argparse import ArgumentParser
from functools import partial

from opsproof.action import Step, main
from opsproof.errors import Refused
from opsproof.maintenance import partitions, tables
from opsproof.maintenance.base import Maintaining


class AddPartitions(Maintaining):
    """One step for each month of each table."""

    name = "add_partitions"

    @classmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        """Which tables, and how far ahead."""
        super().add_arguments(parser)
        parser.add_argument("--table", action="append", metavar="NAME", help="schema.table; else all that are declared")
        parser.add_argument("--ahead", type=int, default=2, metavar="N", help="months after this one (%(default)s)")

    def plan(self) -> list[Step]:
        """The oldest missing month first."""
        names = [tables.named(each) for each in self.options.table or []]
        today, self.found = partitions.look(self.session, names)
        self.missing = [(table, month) for table in self.found for month in table.missing(today, self.options.ahead)]
        return [
            Step(
                f"make {table.schema}.{table.name_of(month)} for {month:%Y-%m} of {table}",
                partial(partitions.add, self.session, table, month),
            )
            for table, month in self.missing
        ]

    def guard(self, steps: list[Step]) -> None:
        """Nothing is begun that the role may not do, or that rows stand in the way of."""
        super().guard(steps)
        user = self.session.client.user
        for table, month in self.missing:
            if not table.owned:
                raise Refused(f"{table} belongs to {table.owner}: GRANT {table.owner} TO {user}")
            partitions.require_empty_default(self.session, table, month)


if __name__ == "__main__":
    sys.exit(main(AddPartitions))
