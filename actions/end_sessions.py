"""Ends sessions of a database that are idle for 30 minutes, active for 10 minutes, or idle in transaction too long.

The limit for idle in transaction is the inventory's transaction_idle; a transaction_time under 10 minutes is the limit
for active. With any of --idle, --in-transaction and --running, sessions in the states not named are left alone.

An active session is cancelled first, and terminated after --grace; an idle session is terminated. Backups, replication,
vacuums and other maintenance, listeners, holders of replication slots and opsproof's own sessions are left alone, and
so is a session whose state has changed since the plan.
"""

import sys
from argparse import ArgumentParser
from functools import partial

import installed  # noqa: F401

from opsproof.action import Step, main
from opsproof.core.errors import InventoryError, NotRepaired
from opsproof.core.limits import Limit
from opsproof.maintenance import sessions
from opsproof.maintenance.base import Maintaining
from opsproof.maintenance.sessions import AgeLimits, Connection

IDLE_S, RUNNING_S = 1800.0, 600.0
"""Default limits, from the runbook."""


class EndSessions(Maintaining):
    """One step per session."""

    name = "end_sessions"
    waits = False

    @classmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        """Adds the limits per state, and --grace."""
        super().add_arguments(parser)
        parser.add_argument(
            "--idle",
            type="duration",
            metavar="TIME",
            help="end sessions idle for at least TIME (30min if no limit is given)",
        )
        parser.add_argument(
            "--in-transaction",
            type="duration",
            metavar="TIME",
            help="end sessions idle in a transaction for at least TIME",
        )
        parser.add_argument(
            "--running",
            type="duration",
            metavar="TIME",
            help="end sessions active for at least TIME (10min if no limit is given)",
        )
        parser.add_argument(
            "--grace",
            type="duration",
            default=5.0,
            metavar="TIME",
            help="wait between pg_cancel_backend and pg_terminate_backend (default: 5s)",
        )

    def plan(self) -> list[Step]:
        """Oldest session first; sessions left alone are reported."""
        self.require_pg_monitor()
        if self.server.silent:
            self.skip_unknown(f"sessions whose track_activities is off: {self.server.silent}")
        given = AgeLimits(self.options.idle, self.options.in_transaction, self.options.running)
        found = sessions.find(self.session, self._default_limits() if given == AgeLimits(None, None, None) else given)
        for each in found:
            if each.spared:
                self.work.say(f"left alone, because {each.spared}: {each}")
            elif why := sessions.missing_privilege(each, self.session.client.user):
                self.skip(why)
        self.ending = [each for each in found if each.may and not each.spared]
        return self.require_candidates([self._end_step(each) for each in self.ending])

    def _end_step(self, connection: Connection) -> Step:
        end = partial(sessions.end, self.session, connection, self.options.grace)
        return Step(f"end {connection}", end, (str(connection.pid),))

    def _default_limits(self) -> AgeLimits:
        idle_s = _bound(self.limit("transaction_idle"))
        if idle_s is None:
            raise InventoryError(
                "limits.transaction_idle has no `must` with < or <=: add one, or give --in-transaction"
            )
        running_s = _bound(self.host.limit("transaction_time", self.session.client.database))
        return AgeLimits(IDLE_S, idle_s, RUNNING_S if running_s is None else min(RUNNING_S, running_s))

    def guard(self, steps: list[Step]) -> None:
        """No guard: sessions on a standby can be ended too."""
        del steps

    def prove(self, steps: list[Step]) -> None:
        """Every session has ended or changed its state.

        Raises:
            NotRepaired: a session remains, or was skipped.
        """
        del steps
        if left := [each for each in self.ending if sessions.is_unchanged(self.session, each)]:
            raise NotRepaired(f"sessions still open: {', '.join(map(str, left))}")
        self.measured |= {"ended": len(self.ending)}
        self.require_nothing_skipped()


def _bound(limit: Limit | None) -> float | None:
    """The upper bound of a limit, if any."""
    rule = limit.must if limit else None
    bounds = [each.value for each in rule if each.sign.startswith("<")] if isinstance(rule, tuple) else []
    return min(bounds, default=None)


if __name__ == "__main__":
    sys.exit(main(EndSessions))
