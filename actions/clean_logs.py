"""Removes expired rotated log files and, with --flush, empties the current files.

--flush deletes lines; the plan shows how many. Only the declared files are truncated: `pm2 flush` would empty the logs
of all PM2 processes.
"""

import sys
from argparse import ArgumentParser
from collections.abc import Iterable

import installed  # noqa: F401

from opsproof import action
from opsproof.action import Step
from opsproof.core.errors import NotRepaired, Refused
from opsproof.inventory.logs import Log
from opsproof.logfiles import state
from opsproof.logfiles.state import Logs
from opsproof.logfiles.steps import empty, name_left, remove


class CleanLogs(action.Action):
    """Removes rotated files after their retention; empties current files on request."""

    name = "clean_logs"
    now = 0.0
    """The host's clock at the plan; files that expire later are left for the next run."""

    @classmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        """Adds LOG and --flush."""
        parser.add_argument("logs", nargs="*", metavar="LOG", help="names of declared logs (default: all)")
        parser.add_argument("--flush", action="store_true", help="also empty the current files; their lines are lost")

    def plan(self) -> list[Step]:
        """Expired files first, then --flush."""
        found = self._read_logs()
        self.now = found.now
        for log, each in zip(found.logs, self._declared(), strict=True):
            name_left(self.work, log, state.retention_s(self.host, each), self.now)
        return [*self._remove_steps(found), *self._flush_steps()]

    def guard(self, steps: list[Step]) -> None:
        """Checks that no process writes to an expired file.

        Raises:
            Refused: a process does.
        """
        del steps
        for log, each in zip(self._read_logs().logs, self._declared(), strict=True):
            for file in log.expired(state.retention_s(self.host, each), self.now):
                if file.writers:
                    raise Refused(f"process {min(file.writers)} still writes to {file.name}: run rotate_logs.py first")

    def prove(self, steps: list[Step]) -> None:
        """No expired file is left. Current files are not compared: new lines may already have arrived.

        Raises:
            NotRepaired: lists the remaining steps.
        """
        del steps
        if left := self._remove_steps(self._read_logs()):
            raise NotRepaired(f"steps remain after the run: {'; '.join(step.title for step in left)}")

    def _read_logs(self, *, count_lines: bool = False) -> Logs:
        return state.read_logs(self.work, list(self._declared()), count_lines=count_lines)

    def _declared(self) -> Iterable[Log]:
        return state.select(self.host, self.options.logs).values()

    def _remove_steps(self, found: Logs) -> list[Step]:
        pairs = zip(found.logs, self._declared(), strict=True)
        return [
            step for log, each in pairs for step in remove(self.work, log, state.retention_s(self.host, each), self.now)
        ]

    def _flush_steps(self) -> list[Step]:
        if not self.options.flush:
            return []
        return [step for log in self._read_logs(count_lines=True).logs for step in empty(self.work, log)]


if __name__ == "__main__":
    sys.exit(action.main(CleanLogs))
