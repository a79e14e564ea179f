"""Rotates PM2 logs without losing a line, removes expired files, and compresses the rest.

PM2's own reload of log files drops unwritten lines, and pm2-logrotate loses lines between copy and truncation. Here
PM2's processes are paused until the daemon has written everything. The next run completes a killed one.
"""

import sys
from argparse import ArgumentParser
from dataclasses import replace

import installed  # noqa: F401

from opsproof import action
from opsproof.action import Step
from opsproof.core.errors import NotRepaired, Refused
from opsproof.core.units import show
from opsproof.logfiles import state
from opsproof.logfiles.state import Logs
from opsproof.logfiles.steps import compress, has_room, is_full, name_left, remove, rotate


class RotateLogs(action.Action):
    """Rotates current files, removes expired files, compresses the rotated files that stay."""

    name = "rotate_logs"
    now = 0.0
    """The host's clock at the plan; files that expire later are left for the next run."""

    @classmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        """Adds LOG."""
        parser.add_argument("logs", nargs="*", metavar="LOG", help="names of declared logs (default: all)")

    def plan(self) -> list[Step]:
        """First the rotation of all logs, as PM2 reopens all files at once; then the files of each log."""
        found = self._read_logs()
        self.now = found.now
        self._report_disk_full(found)
        for log, each in zip(found.logs, state.select(self.host, self.options.logs).values(), strict=True):
            name_left(self.work, log, state.retention_s(self.host, each), self.now)
        return [*rotate(self.work, found.logs), *self._cleanup_steps(found, rotated=True)]

    def guard(self, steps: list[Step]) -> None:
        """Checks that the PM2 daemon runs and that no other process writes to the files.

        Raises:
            Refused: the daemon does not run, or another process writes to a file.
        """
        del steps
        found = self._read_logs()
        if found.daemon is None and any(is_full(log) or log.held for log in found.logs):
            raise Refused("no PM2 daemon is running to reopen the files: start it with pm2 resurrect")
        for log in found.logs:
            files = [(log.name, log.current.writers if log.current else ())]
            files += [(each.name, each.writers) for each in log.files if each.ours]
            for name, writers in files:
                if others := set(writers) - {found.daemon}:
                    raise Refused(f"process {min(others)} writes to {name}, but is not the PM2 daemon")

    def prove(self, steps: list[Step]) -> None:
        """Rotated files are compressed, expired files are gone, and PM2 writes to the current files.

        Raises:
            NotRepaired: lists the remaining steps.
        """
        del steps
        found = self._read_logs()
        left = [step.title for step in self._cleanup_steps(found, rotated=False)]
        left += [f"reopen {log.name}" for log in found.logs if log.held]
        if left:
            raise NotRepaired(f"steps remain after the run: {'; '.join(left)}")

    def _read_logs(self) -> Logs:
        return state.read_logs(self.work, list(state.select(self.host, self.options.logs).values()))

    def _cleanup_steps(self, found: Logs, *, rotated: bool) -> list[Step]:
        declared = state.select(self.host, self.options.logs).values()
        planned: list[Step] = []
        for log, each in zip(found.logs, declared, strict=True):
            retention_s = state.retention_s(self.host, each)
            planned += remove(self.work, log, retention_s, self.now)
            staying = replace(log, files=tuple(set(log.files) - set(log.expired(retention_s, self.now))))
            planned += compress(self.work, staying, each, rotated=rotated)
        return planned

    def _report_disk_full(self, found: Logs) -> None:
        for log in found.logs:
            sizes = [each.size_bytes for each in log.plain]
            sizes += [log.current.size_bytes] if log.current else []
            if short := [size for size in sizes if not has_room(log, size)]:
                free = show(log.free_bytes, "bytes")
                self.work.say(f"{log.name}: {len(short)} not compressed: only {free} free")


if __name__ == "__main__":
    sys.exit(action.main(RotateLogs))
