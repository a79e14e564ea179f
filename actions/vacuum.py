"""Vacuums and analyzes tables: those that the monthly checks flag, those that --table names, or all that are declared.

Partitioned tables are vacuumed by their leaves. It is refused while a transaction, a prepared transaction, a
replication slot or a standby needs the dead rows still, and says which. No lock of it makes others wait. --freeze
makes transaction IDs old enough to be forgotten.
"""

import sys
from argparse import ArgumentParser
from functools import partial

from opsproof.action import Step, main
from opsproof.errors import NotRepaired
from opsproof.maintenance import tables
from opsproof.maintenance.base import Maintaining
from opsproof.maintenance.session import until
from opsproof.maintenance.tables import Name, Table, Tables
from opsproof.quantities import show

QUEUE_S = 3
"""Longer than deadlock_timeout, after which the server sends away an autovacuum that is in the way."""
SEEN_WITHIN_S = 5.0


class Vacuum(Maintaining):
    """One VACUUM for each table, the largest last."""

    name = "vacuum"

    @classmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        """Which tables, and how."""
        super().add_arguments(parser)
        parser.add_argument("--table", action="append", metavar="NAME", help="schema.table; may be given several times")
        parser.add_argument("--freeze", action="store_true", help="freeze every row that can be")
        parser.add_argument(
            "--parallel", type=int, metavar="N", help="processes for a table's indexes; else the server's"
        )

    def plan(self) -> list[Step]:
        """The smallest table first; then the statistics of whole partitioned tables."""
        self.require_sight()
        self.found = self._look()
        ordered = sorted(self.found.tables, key=lambda each: each.bytes)
        steps = [Step(f"vacuum {each}: {_state(each)}", partial(self._vacuum, each)) for each in ordered]
        return [
            *steps,
            *(Step(f"analyze {'.'.join(each)} as a whole", partial(self._analyze, each)) for each in self.found.roots),
        ]

    def _look(self) -> Tables:
        return tables.look(self.session, [tables.named(each) for each in self.options.table or []])

    def guard(self, steps: list[Step]) -> None:
        """Nothing is begun that the role may not do, or that would be of no use."""
        super().guard(steps)
        self.found.require_rights(self.session.client.user)

    def _vacuum(self, table: Table) -> None:
        words = ["ANALYZE", *(["FREEZE"] if self.options.freeze else [])]
        words += [f"PARALLEL {self.options.parallel}"] if self.options.parallel is not None else []
        script = f'VACUUM ({", ".join(words)}) :"schema".:"name";'
        self.session.do(
            f"vacuum {table}", script, {"lock_timeout": f"{QUEUE_S}s"}, schema=table.schema, name=table.name
        )

    def _analyze(self, root: Name) -> None:
        schema, name = root
        settings = {"lock_timeout": f"{QUEUE_S}s"}
        self.session.do(f"analyze {schema}.{name}", 'ANALYZE :"schema".:"name";', settings, schema=schema, name=name)

    def prove(self, steps: list[Step]) -> None:
        """Each table was vacuumed since.

        Raises:
            NotRepaired: one was not, or has its dead rows still.
        """
        del steps
        left = []

        def done() -> bool:
            left[:] = [str(each) for each in self._look().tables if not (each.vacuumed or 0) >= self.found.now]
            return not left

        if not until(done, SEEN_WITHIN_S):
            raise NotRepaired(f"not vacuumed: {', '.join(left)}")


def _state(table: Table) -> str:
    return f"{show(table.bytes, 'bytes')}, {table.dead or 0} dead rows, transactions {table.age} old"


if __name__ == "__main__":
    sys.exit(main(Vacuum))
