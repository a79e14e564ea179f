"""Removes rotated files that are past their time and, with --flush, empties the current files.

Flushing loses lines, and the plan says how many. The declared files are truncated, one by one: `pm2 flush`
would empty the logs of everything that PM2 runs.
"""

import sys
from argparse import ArgumentParser
from collections.abc import Iterable

from opsproof import action
from opsproof.action import Step
from opsproof.core.errors import NotRepaired
from opsproof.inventory.resources import Log
from opsproof.logfiles import state
from opsproof.logfiles.state import Logs
from opsproof.logfiles.steps import empty, remove


class CleanLogs(action.Action):
    """Rotated files are removed after their time, by the hour; current files are emptied where that is asked for."""

    name = "clean_logs"
    now = 0.0
    """The host's clock at the plan: what passes its time later is for the next run."""

    @classmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        """The logs, and whether to empty them."""
        parser.add_argument("logs", nargs="*", metavar="LOG", help="declared logs, by name; default: all")
        parser.add_argument("--flush", action="store_true", help="empty the current files too: their lines are lost")

    def plan(self) -> list[Step]:
        """What is past its time first, which loses nothing that is wanted."""
        found = self._look()
        self.now = found.now
        return [*self._removing(found), *self._emptying()]

    def prove(self, steps: list[Step]) -> None:
        """Nothing is past its time; a current file has new lines by now.

        Raises:
            NotRepaired: what is still there.
        """
        del steps
        if left := self._removing(self._look()):
            raise NotRepaired(f"still to be done: {'; '.join(step.title for step in left)}")

    def _look(self, *, count_lines: bool = False) -> Logs:
        return state.look(self.work, list(self._declared()), count_lines=count_lines)

    def _declared(self) -> Iterable[Log]:
        return state.chosen(self.host, self.options.logs).values()

    def _removing(self, found: Logs) -> list[Step]:
        pairs = zip(found.logs, self._declared(), strict=True)
        return [step for log, each in pairs for step in remove(self.work, log, state.keep_s(self.host, each), self.now)]

    def _emptying(self) -> list[Step]:
        if not self.options.flush:
            return []
        return [step for log in self._look(count_lines=True).logs for step in empty(self.work, log)]


if __name__ == "__main__":
    sys.exit(action.main(CleanLogs))
