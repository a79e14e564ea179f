"""Base class of maintenance actions: database, role, waiting times."""

from argparse import ArgumentParser, Namespace
from functools import cached_property
from typing import ClassVar

from opsproof.action import Action, Step, Work
from opsproof.action.patience import patiently
from opsproof.core.errors import InventoryError, MeasurementError, NotRepaired, Refused
from opsproof.core.limits import Estimate, Limit
from opsproof.inventory.resources import Resource
from opsproof.maintenance.client import MaintenanceClient
from opsproof.maintenance.session import PAUSE_S, MaintenanceServer, MaintenanceSession

WAIT_S = 300.0
CUT_OFF_S = 5.0
"""Longer than a server takes to notice a lost client: see `client_connection_check_interval` in client.py."""


class Maintaining(Action):
    """An action on one declared database, run as its maintenance role."""

    name = ""
    waits: ClassVar[bool] = True
    """Whether the action takes locks, and therefore needs --wait."""
    defines: ClassVar[bool] = False
    """Whether the action changes definitions, so that event triggers may fire."""

    def __init__(self, work: Work, options: Namespace) -> None:
        super().__init__(work, options)
        self.skipped: list[str] = []
        """Objects that the user did not name and that cannot be maintained, each with the reason."""
        self.unknown: list[str] = []
        """Objects whose need of maintenance could not be measured, each with the reason."""

    @classmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        """Adds --database and, for actions that take locks, --wait."""
        parser.add_argument("--database", metavar="NAME", help="declared database; optional if only one is declared")
        parser.set_defaults(wait=WAIT_S)
        if cls.waits:
            parser.add_argument(
                "--wait",
                type="duration",
                metavar="TIME",
                help="longest wait for locks and other transactions (default: 5min)",
            )

    @cached_property
    def session(self) -> MaintenanceSession:
        """The connection to the database.

        Raises:
            InventoryError: the database or its maintenance_user is not declared.
        """
        declared, wanted = list(self.host.databases), self.options.database
        if wanted not in ((None, *declared) if len(declared) == 1 else declared):
            problem = "--database is required" if wanted is None else f"unknown database {wanted!r}"
            known = f"{problem}: choose {', '.join(declared)}"
            raise InventoryError(known if declared else f"hosts.{self.host.name} declares no databases")
        client = MaintenanceClient(self.host, wanted or declared[0])
        assert client.user
        return MaintenanceSession(self.work, client, self.options.wait, self.options.json)

    @cached_property
    def server(self) -> MaintenanceServer:
        """The server's state when the action began; waits up to `CUT_OFF_S` for sessions of a killed run to end.

        Raises:
            MeasurementError: the server cannot be queried.
        """
        return patiently(self.session.server, lambda found: not found.at_work, CUT_OFF_S, PAUSE_S)

    def require_pg_monitor(self) -> None:
        """Checks that the role sees the sessions of all users.

        Raises:
            MeasurementError: the role lacks pg_monitor.
        """
        self.server.require_pg_monitor(self.session.client.user)

    def flags(self, metric: str, value: float | Estimate, resource: Resource | None = None) -> bool:
        """Whether the check of `metric` would fail or warn at `value`, by the inventory's limit.

        Raises:
            InventoryError: the limit is not declared.
            MeasurementError: `value` is a range that contains the limit.
        """
        return self.limit(metric, resource).judge(value).verdict != "passed"

    def limit(self, metric: str, resource: Resource | None = None) -> Limit:
        """The limit of `metric` for `resource`, or for the database.

        Raises:
            InventoryError: the limit is not declared.
        """
        found = self.host.limit(metric, resource or self.session.client.database)
        if found is None:
            raise InventoryError(f"limits.{metric} is not declared in the inventory: add it")
        return found

    def skip(self, reason: str) -> None:
        """Skips an object that the user did not name and that cannot be maintained; reports each reason once."""
        if reason not in self.skipped:
            self.skipped.append(reason)
            self.work.say(f"skipped: {reason}")

    def skip_unknown(self, reason: str) -> None:
        """Skips an object whose need of maintenance cannot be measured; reports each reason once."""
        if reason not in self.unknown:
            self.unknown.append(reason)
            self.work.say(f"not judged: {reason}")

    def require_candidates(self, steps: list[Step]) -> list[Step]:
        """Returns `steps`; an empty plan is an error if anything was skipped.

        Raises:
            Refused: every candidate was skipped.
            MeasurementError: a candidate could not be judged.
        """
        if self.skipped and not steps:
            raise Refused(f"skipped: {'; '.join(self.skipped)}")
        if self.unknown and not steps:
            raise MeasurementError(f"not judged: {'; '.join(self.unknown)}")
        return steps

    def show(self, plan: list[str]) -> None:
        """Prints the titles of the steps, and the event triggers that fire for them."""
        super().show(plan)
        if plan and self.defines and self.server.firing:
            self.work.say(f"event triggers of the database that fire: {', '.join(self.server.firing)}")

    def require_nothing_skipped(self) -> None:
        """Checks that nothing was skipped.

        Raises:
            NotRepaired: lists the skipped objects with reasons.
        """
        wrong = [*(f"skipped: {each}" for each in self.skipped), *(f"not judged: {each}" for each in self.unknown)]
        if wrong:
            raise NotRepaired("; ".join(wrong))

    def guard(self, steps: list[Step]) -> None:
        """Refuses to run on a standby or beside an earlier run.

        Raises:
            Refused: the server is a standby, or an earlier run is still active.
        """
        del steps
        self.server.require_ready()
        if self.defines:
            self.server.require_no_foreign_events(self.session.client.user)
