"""What all actions that maintain a database have in common: which one, as whom, how long they wait."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from functools import cached_property
from typing import ClassVar

from opsproof.action import Action, Step, Work
from opsproof.action.patience import patiently
from opsproof.core import units
from opsproof.core.errors import InventoryError, MeasurementError, NotRepaired, Refused
from opsproof.core.limits import Estimate, Limit
from opsproof.inventory.resources import Resource
from opsproof.maintenance.client import MaintenanceClient
from opsproof.maintenance.session import PAUSE_S, MaintenanceServer, MaintenanceSession

WAIT_S = 300.0
CUT_OFF_S = 5.0
"""Longer than a server takes to notice that it has lost a client of ours."""


class Maintaining(Action):
    """An action on one declared database, by its maintenance role."""

    name = ""
    waits: ClassVar[bool] = True
    """Whether it takes locks that it may have to wait for."""

    def __init__(self, work: Work, options: Namespace) -> None:
        super().__init__(work, options)
        self.left_out: list[str] = []
        """What nobody named and cannot be done, and why."""
        self.not_judged: list[str] = []
        """Of what nobody knows whether it is to be done, and why."""

    @classmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        """Which database, and how long to wait for others."""
        parser.add_argument("--database", metavar="NAME", help="a declared database; not needed where there is one")
        parser.set_defaults(wait=WAIT_S)
        if cls.waits:
            parser.add_argument(
                "--wait", type=duration, metavar="TIME", help="for locks and others' transactions (5min)"
            )

    @cached_property
    def session(self) -> MaintenanceSession:
        """The way to the database.

        Raises:
            InventoryError: it is not declared, or nobody to maintain it.
        """
        declared, wanted = list(self.host.databases), self.options.database
        if wanted not in ((None, *declared) if len(declared) == 1 else declared):
            known = f"--database: {'say one' if wanted is None else f'{wanted!r} is none'} of {', '.join(declared)}"
            raise InventoryError(known if declared else f"hosts.{self.host.name} declares no databases")
        client = MaintenanceClient(self.host, wanted or declared[0])
        assert client.user
        return MaintenanceSession(self.work, client, self.options.wait, self.options.json)

    @cached_property
    def server(self) -> MaintenanceServer:
        """The server as it was when the action began; for a run that was killed just before, it waits a moment.

        Raises:
            MeasurementError: it does not tell.
        """
        return patiently(self.session.server, lambda found: not found.at_work, CUT_OFF_S, PAUSE_S)

    def require_pg_monitor(self) -> None:
        """Says that nothing can be said where the server hides from the role what others do.

        Raises:
            MeasurementError: it does.
        """
        self.server.require_pg_monitor(self.session.client.user)

    def is_off(self, metric: str, value: float | Estimate, resource: Resource | None = None) -> bool:
        """Whether the check of that metric would fail or warn at a value, by the limit of the inventory.

        Raises:
            InventoryError: there is no limit.
            MeasurementError: both may be, within a range.
        """
        return self.limit(metric, resource).judge(value).verdict != "passed"

    def limit(self, metric: str, resource: Resource | None = None) -> Limit:
        """The limit of a metric for a thing in the database, or for that itself.

        Raises:
            InventoryError: there is none.
        """
        found = self.host.limit(metric, resource or self.session.client.database)
        if found is None:
            raise InventoryError(f"limits.{metric} is not declared in the inventory, so nothing is judged by it")
        return found

    def leave_out(self, what: str) -> None:
        """Says, once, what nobody named and cannot be done: the rest is."""
        if what not in self.left_out:
            self.left_out.append(what)
            self.work.say(f"left out: {what}")

    def not_judge(self, what: str) -> None:
        """Says, once, of what nobody knows whether it is to be done: the rest is."""
        if what not in self.not_judged:
            self.not_judged.append(what)
            self.work.say(f"not judged: {what}")

    def some(self, steps: list[Step]) -> list[Step]:
        """The steps; that there are none is no good end where something was passed over.

        Raises:
            Refused: something cannot be done.
            MeasurementError: nobody knows whether something is to be done.
        """
        if self.left_out and not steps:
            raise Refused(f"left out: {'; '.join(self.left_out)}")
        if self.not_judged and not steps:
            raise MeasurementError(f"not judged: {'; '.join(self.not_judged)}")
        return steps

    def require_all(self) -> None:
        """Says that not all is done where something was passed over.

        Raises:
            NotRepaired: what.
        """
        wrong = [*(f"left out: {each}" for each in self.left_out), *(f"not judged: {each}" for each in self.not_judged)]
        if wrong:
            raise NotRepaired("; ".join(wrong))

    def guard(self, steps: list[Step]) -> None:
        """Says no where nothing can be maintained.

        Raises:
            Refused: why.
        """
        del steps
        self.server.require_ready()


def duration(text: str) -> float:
    """A duration of the command line, in seconds."""
    try:
        return units.parse(text, "seconds")
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from error
