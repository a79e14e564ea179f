"""What VACUUM and ANALYZE have in common: on which tables, with which rights, and that it was done."""

from abc import abstractmethod
from argparse import ArgumentParser
from typing import ClassVar, Literal

from opsproof.action import Step
from opsproof.core.errors import NotRepaired, Refused
from opsproof.maintenance import tables
from opsproof.maintenance.base import Maintaining
from opsproof.maintenance.session import until
from opsproof.maintenance.tables import MaintainedTables, Table

QUEUE_S = 3
"""Longer than deadlock_timeout, after which the server sends away an autovacuum that is in the way."""
SEEN_WITHIN_S = 5.0
"""How long the cumulative statistics may take to tell of what was done."""


class TablesAction(Maintaining):
    """An action on the tables that the checks flag, on those of the command line, or on all."""

    name = ""
    found: MaintainedTables
    mark: ClassVar[Literal["vacuumed", "analyzed"]]
    """By which time of a table it is known that it was done."""

    @classmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        """Which tables."""
        super().add_arguments(parser)
        parser.add_argument("--table", action="append", metavar="NAME", help="schema.table; may be given several times")
        parser.add_argument("--all", action="store_true", help="all tables but the server's own")

    @abstractmethod
    def flagged(self) -> list[str]:
        """The tables that the checks would flag.

        Raises:
            MeasurementError: they would be unknown.
        """

    def choose(self) -> MaintainedTables:
        """The tables that it is about, as they are now; of those that nobody named, what the role may maintain.

        Raises:
            InventoryError: one of the command line is not there.
            MeasurementError: they cannot be seen.
        """
        self.require_pg_monitor()
        names = map(tables.in_full, self.options.table or ())
        found = tables.look(self.session, "users" if self.options.all else list(names) or self.flagged())
        denied = found.denied(self.session.client.user)
        if not denied or self.options.table or not found.permitted.every:
            return found
        self.leave_out(denied)
        return found.permitted

    def guard(self, steps: list[Step]) -> None:
        """Nothing is begun that the role may not do, which the server would leave out; nor what could not be proven."""
        super().guard(steps)
        if denied := self.found.denied(self.session.client.user):
            raise Refused(denied)
        self.flagged()

    def execute(self, statement: str, table: Table) -> None:
        """One statement on one table, tried again while somebody else maintains that.

        Raises:
            StepFailed: it did not come to its end.
        """
        what = f"{statement.partition(' ')[0].lower()} {table}"
        settings = {"lock_timeout": f"{QUEUE_S}s"}
        self.session.do(what, f'{statement} :"schema".:"name";', settings, schema=table.schema, name=table.name)

    def prove(self, steps: list[Step]) -> None:
        """It was done to every table, and the checks flag none of them any more.

        Raises:
            NotRepaired: it is not so.
            MeasurementError: that cannot be told.
        """
        del steps
        until(lambda: not self._undone(), SEEN_WITHIN_S)
        if undone := self._undone():
            raise NotRepaired(f"not {self.mark}: {', '.join(map(str, undone[:5]))}")
        names = {str(each) for each in self.found.every}
        if left := [each for each in self.flagged() if each in names]:
            raise NotRepaired(f"still to be {self.mark}: {', '.join(left[:5])}")
        self.require_all()

    def _undone(self) -> list[Table]:
        """A partitioned table holds nothing to be vacuumed."""
        names = {str(each) for each in self.found.every}
        now = tables.look(self.session, "users" if self.options.all else names).every
        marks = [(each, each.analyzed if each.root else getattr(each, self.mark)) for each in now]
        return [each for each, mark in marks if str(each) in names and (mark or 0) < self.found.now]
