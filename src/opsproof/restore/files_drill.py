"""A drill of a backup of files: unpacks it into a private folder, and compares every entry with its list."""

import time

from opsproof.action import Step
from opsproof.core.errors import NotRepaired, Refused, StepFailed
from opsproof.restore.base import STAMP, RestoreAction
from opsproof.restore.contents import printable
from opsproof.restore.files_source import FilesSource
from opsproof.transport.shell import argv

SHOWN = 5
REMOVE = 'chmod --recursive u+rwX -- "$@" 2>/dev/null; exec rm -rf -- "$@"'
"""A folder without the right to write stops rm."""


class FilesDrill:
    """The drill of one backup of files."""

    def __init__(self, action: RestoreAction) -> None:
        self.action, self.work, self.backup = action, action.work, action.backup
        self.prefix = f"{self.backup.folder}/{action.backup_name}_drill_"
        self.folder = f"{self.prefix}{time.strftime(STAMP, time.gmtime())}"
        self.flaws: list[str] = []
        try:
            self.source = FilesSource(action)
        except Refused as error:
            raise NotRepaired(str(error)) from error
        self.left = self._folders()

    def steps(self) -> list[Step]:
        """Remove leftovers, fetch, unpack and compare, remove."""
        self.action.measured |= {"set": self.source.manifest.name}
        sweep = [Step(f"remove leftovers of earlier drills: {', '.join(self.left)}", lambda: self._remove(self.left))]
        return [
            *(sweep if self.left else []),
            *self.source.fetching(),
            Step(f"unpack {self.source.title} in {self.folder}, compare with its list of contents", self._unpack),
            Step(f"remove {self.folder}", self._clean),
        ]

    def guard(self) -> None:
        """Refuses a drill without enough disk space."""
        self.source.require_room(self.backup.folder)

    def _unpack(self) -> None:
        """Records a failure as a flaw of the backup: the next step still removes the folder."""
        started = time.monotonic()
        try:
            found = self.source.unpack(self.folder)
        except StepFailed as error:
            self.flaws.append(str(error))
        else:
            self.flaws += found.differing
            self.action.measured["size_bytes"] = found.size_bytes
        finally:
            self.source.forget()
        self.action.measured["restore_s"] = round(time.monotonic() - started, 2)
        if self.flaws:
            self.action.measured["flaws"] = printable("; ".join(self.flaws[:SHOWN]))

    def _clean(self) -> None:
        self._remove(self._folders())

    def _remove(self, folders: list[str]) -> None:
        if folders:
            self.work.do(argv("sh", "-c", REMOVE, "sh", *folders, timeout_s=self.backup.timeout), "rm")

    def _folders(self) -> list[str]:
        """The folders of drills that exist."""
        name = self.prefix.rpartition("/")[2]
        words = ("-maxdepth", "1", "-type", "d", "-name", f"{name}*Z")
        (answer,) = self.work.ask(argv("find", self.backup.folder, *words))
        return sorted(answer.require("find").stdout.splitlines())

    def prove(self) -> None:
        """Shows that the backup is good and that no folder of a drill remains.

        Raises:
            NotRepaired: the backup is not good, or a folder remains.
            MeasurementError: the folder of the backup cannot be read.
        """
        if left := self._folders():
            raise NotRepaired(f"not removed: {', '.join(left)}")
        if self.flaws:
            more = f" and {len(self.flaws) - SHOWN} more" if len(self.flaws) > SHOWN else ""
            name = self.source.manifest.name
            raise NotRepaired(printable(f"{name} failed verification: {'; '.join(self.flaws[:SHOWN])}{more}"))
