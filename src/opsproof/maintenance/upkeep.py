"""Base of the VACUUM and ANALYZE actions: chooses tables, checks privileges, executes, proves the result."""

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
"""Lock timeout: longer than deadlock_timeout, after which PostgreSQL cancels a blocking autovacuum."""
SEEN_WITHIN_S = 5.0
"""Longest delay of the cumulative statistics."""


class TablesAction(Maintaining):
    """An action on tables: flagged by checks, named by --table, or all."""

    name = ""
    found: MaintainedTables
    mark: ClassVar[Literal["vacuumed", "analyzed"]]
    """The timestamp of a table that proves the action."""

    @classmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        """Adds --table and --all."""
        super().add_arguments(parser)
        chosen = parser.add_mutually_exclusive_group()
        chosen.add_argument("--table", action="append", metavar="NAME", help="schema.table; may be given several times")
        chosen.add_argument("--all", action="store_true", help="all tables except system catalogs")

    @abstractmethod
    def flagged(self) -> list[str]:
        """The tables that the checks flag now.

        Raises:
            MeasurementError: a fact cannot be measured.
        """

    def choose(self) -> MaintainedTables:
        """The tables to maintain; skips tables that the user did not name and that the role may not maintain.

        Raises:
            InventoryError: a table of the command line does not exist.
            MeasurementError: a query failed.
        """
        self.require_pg_monitor()
        names = map(tables.qualify, self.options.table or ())
        found = tables.find(self.session, "users" if self.options.all else list(names) or self.flagged())
        denied = found.denied(self.session.client.user)
        if not denied or self.options.table or not found.permitted.every:
            return found
        self.skip(denied)
        return found.permitted

    def guard(self, steps: list[Step]) -> None:
        """Refuses tables without privilege, which PostgreSQL would skip; checks that `flagged` can be measured."""
        super().guard(steps)
        if denied := self.found.denied(self.session.client.user):
            raise Refused(denied)
        self.flagged()

    def execute(self, statement: str, table: Table) -> None:
        """Executes a statement on a table; retries while another session maintains the table.

        Raises:
            StepFailed: the statement failed.
        """
        task = f"{statement.partition(' ')[0].lower()} {table}"
        settings = {"lock_timeout": f"{QUEUE_S}s"}
        self.session.do(task, f'{statement} :"schema".:"name";', settings, schema=table.schema, name=table.name)

    def prove(self, steps: list[Step]) -> None:
        """Every table was processed, and the checks flag none of them.

        Raises:
            NotRepaired: lists unprocessed or still flagged tables.
            MeasurementError: a fact cannot be measured.
        """
        del steps
        until(lambda: not self._undone(), SEEN_WITHIN_S)
        if undone := self._undone():
            raise NotRepaired(f"not {self.mark}: {', '.join(map(str, undone[:5]))}")
        names = {str(each) for each in self.found.every}
        if left := [each for each in self.flagged() if each in names]:
            raise NotRepaired(f"{self.mark}, but still flagged by a check: {', '.join(left[:5])}")
        self.require_nothing_skipped()

    def _undone(self) -> list[Table]:
        """Tables without a newer timestamp. A partitioned table holds no rows to vacuum: ANALYZE counts instead."""
        names = {str(each) for each in self.found.every}
        now = tables.find(self.session, "users" if self.options.all else names).every
        marks = [(each, each.analyzed if each.root else getattr(each, self.mark)) for each in now]
        return [each for each, mark in marks if str(each) in names and (mark or 0) < self.found.now]
