"""What is done for one target of copies: what is left of others removed, the new one made, old ones let go."""

from functools import partial
from typing import Protocol

from opsproof.action import Step, Work, progress
from opsproof.backup.copying import CopyJob
from opsproof.backup_store import off_site
from opsproof.backup_store.dump_folder import DumpReading
from opsproof.backup_store.off_site import Copies
from opsproof.backup_store.retention import expired
from opsproof.core.errors import MeasurementError, NotRepaired, StepFailed
from opsproof.inventory.hosts import Host
from opsproof.inventory.resources import Backup


class Origin(Protocol):
    """The backup that is copied, on its host; `now` is the older of both clocks, `host_now` the host's."""

    name: str
    host: Host
    work: Work
    backup: Backup
    set: str
    made: DumpReading
    now: float
    host_now: float
    quiet: bool


class CopyTarget:
    """A place that copies of a new backup go to; one that gives no answer yet keeps no backup from being made."""

    def __init__(self, origin: Origin, address: str) -> None:
        self.origin, self.address = origin, address
        self.backup = origin.backup
        self.there = off_site.copy_store(origin.host, address, self.backup.timeout)
        self.seen: Copies | None = None
        self.silence = ""
        try:
            self.seen = self._look()
        except MeasurementError as error:
            self.silence = str(error)

    def _look(self) -> Copies:
        return off_site.fetch_copies(self.there, self.origin.name, self.origin.host_now)

    def _expendable(self, seen: Copies) -> list[str]:
        if self.backup.off_site_keep == "all":
            return []
        return expired({*seen.sets, self.origin.set}, self.backup, self.origin.now)

    @property
    def part(self) -> tuple[str, ...]:
        """What its steps are about: nothing else depends on them but that this backup's own old ones go."""
        return (self.origin.name, self.address)

    def copying(self) -> list[Step]:
        """Removes what is left of interrupted copies, and makes the new one."""
        silence = f", which gives no answer now: {self.silence}" if self.silence else ""
        steps = [Step(f"copy {self.origin.set} to {self.address}{silence}", self._copy, self.part)]
        if self.seen is not None and (stale := self.seen.stale):
            title = f"remove what is left of interrupted copies in {self.address}: {', '.join(stale)}"
            steps.insert(0, Step(title, partial(self._remove, stale), self.part))
        return steps

    def pruning(self) -> list[Step]:
        """Lets old ones go."""
        if self.seen is None and self.backup.off_site_keep == "same":
            return [Step(f"let go in {self.address} what need not be kept there", self._prune, self.part)]
        if self.seen is None or not (going := self._expendable(self.seen)):
            return []
        return [Step(f"let go in {self.address}: {', '.join(going)}", self._prune, self.part)]

    def _copy(self) -> None:
        size = self.origin.made.manifest.size_bytes
        options = {"quiet": self.origin.quiet}
        with progress.reporting_bytes("copied", size, self.origin.work.say, **options) as report:
            copy = CopyJob(self.origin.host, self.backup, self.origin.made, self.there, report)
            try:
                copy.make()
            except MeasurementError as error:
                raise StepFailed(f"no copy in {self.address}: {error}") from error

    def _prune(self) -> None:
        """Nothing goes unless as many as must be kept are whole, the new one among them."""
        seen = self._look()
        going = self._expendable(seen)
        if self.origin.set not in seen.sets:
            raise StepFailed(f"there is no whole copy of {self.origin.set} in {self.address}")
        staying = [each for each in seen.sets if each not in going]
        for each in staying[-self.backup.keep_least :]:
            if what := self.there.lacking(each, self.backup.timeout):
                raise StepFailed(f"nothing is let go in {self.address}: {each}: {what}")
        self._remove(seen.files(going))

    def _remove(self, names: list[str]) -> None:
        self.there.remove(names)

    def prove(self) -> None:
        """Shows that the new copy is there, and that what should go is gone.

        Raises:
            NotRepaired: it is not so.
            MeasurementError: that cannot be told.
        """
        seen = self._look()
        if self.origin.set not in seen.sets:
            raise NotRepaired(f"there is no whole copy of {self.origin.set} in {self.address}")
        if still := self._expendable(seen):
            raise NotRepaired(f"still in {self.address}: {', '.join(still)}")
