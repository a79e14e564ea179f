"""One target of off-site copies: remove leftovers, copy the new backup, prune expired copies."""

from collections.abc import Sequence
from functools import partial
from typing import Protocol

from opsproof.action import Step, Work, progress
from opsproof.backup.copying import CopyJob, mark
from opsproof.backup_store import off_site
from opsproof.backup_store.dump_folder import DumpReading
from opsproof.backup_store.folder import MARK
from opsproof.backup_store.off_site import Copies
from opsproof.backup_store.retention import expired
from opsproof.core.errors import MeasurementError, NotRepaired, StepFailed
from opsproof.inventory.backups import Backup
from opsproof.inventory.hosts import Host


class Origin(Protocol):
    """The backup to copy.

    `places` are the identities of its folder and of the folders above, `host_now` is the host's clock, `now` the
    earlier of host and controller clock.
    """

    name: str
    host: Host
    work: Work
    backup: Backup
    set: str
    made: DumpReading
    places: list[str]
    now: float
    host_now: float
    quiet: bool

    def require_replaced(self, due: Sequence[str], staying: Sequence[str]) -> None:
        """Raises StepFailed if pruning the sets `due` would lose content that no set of `staying` has."""


class CopyTarget:
    """A store for copies of a new backup; an unreachable store does not prevent the backup itself."""

    def __init__(self, origin: Origin, address: str) -> None:
        self.origin, self.address = origin, address
        self.backup = origin.backup
        self.store = off_site.copy_store(origin.host, address, self.backup.timeout)
        self.copies: Copies | None = None
        self.places: list[str] = []
        """The identities of the store and of the folders above; empty if the store is unreachable."""
        self.problem = ""
        try:
            self.places, self.copies = self.store.places(), self._fetch_copies()
        except MeasurementError as error:
            self.problem = str(error)

    def _fetch_copies(self) -> Copies:
        return off_site.fetch_copies(self.store, self.origin.name, self.origin.host_now)

    def _expired(self, copies: Copies) -> list[str]:
        if self.backup.off_site_keep == "all":
            return []
        return expired({*copies.sets, self.origin.set}, self.backup, self.origin.now)

    @property
    def part(self) -> tuple[str, ...]:
        """Subject of the steps: a failed copy only stops the pruning of the target and of the original backups."""
        return (self.origin.name, self.address)

    def copying(self) -> list[Step]:
        """Steps that remove leftovers of interrupted copies, and copy the new backup."""
        problem = f" (unreachable now: {self.problem})" if self.problem else ""
        steps = [Step(f"copy {self.origin.set} to {self.address}{problem}", self._copy, self.part)]
        if self.copies is not None and (stale := self.copies.stale):
            title = f"remove leftovers of interrupted copies in {self.address}: {', '.join(stale)}"
            steps.insert(0, Step(title, partial(self._remove, stale), self.part))
        return steps

    def pruning(self) -> list[Step]:
        """Steps that prune expired copies."""
        if self.copies is None and self.backup.off_site_keep == "same":
            return [Step(f"prune expired copies in {self.address}", self._prune, self.part)]
        if self.copies is None or not (due := self._expired(self.copies)):
            return []
        return [Step(f"prune expired copies in {self.address}: {', '.join(due)}", self._prune, self.part)]

    def _require_elsewhere(self) -> None:
        """Fails if the store, unreachable when the run was planned, overlaps the backup folder."""
        if not self.places and (how := off_site.overlap(self.store.places(), self.origin.places)):
            raise StepFailed(f"{self.address} {how} the backup folder {self.backup.folder}")

    def _copy(self) -> None:
        size = self.origin.made.set_manifest.size_bytes
        options = {"quiet": self.origin.quiet}
        with progress.reporting_bytes("copied", size, self.origin.work.say, **options) as report:
            copy = CopyJob(self.origin.host, self.backup, self.origin.made, self.store, report)
            try:
                self._require_elsewhere()
                copy.make()
            except MeasurementError as error:
                raise StepFailed(f"copying to {self.address} failed: {error}") from error

    def _prune(self) -> None:
        """Removes expired copies, after verifying the `keep_least` newest copies that stay."""
        self._require_elsewhere()
        copies = self._fetch_copies()
        due = self._expired(copies)
        if self.origin.set not in copies.sets:
            raise StepFailed(f"no complete copy of {self.origin.set} in {self.address}")
        staying = [each for each in copies.sets if each not in due]
        self.origin.require_replaced(due, staying)
        for each in staying[-self.backup.keep_least :]:
            if problems := self.store.lacking(each, self.backup.timeout):
                raise StepFailed(f"nothing pruned in {self.address}: {each}: {problems}")
        for each in due:
            mark(self.store, each)
        self._remove([*copies.files(due), *(f"{each}{MARK}" for each in due)])

    def _remove(self, names: list[str]) -> None:
        self.store.remove(names)

    def prove(self) -> None:
        """Proves that the new copy exists, and that expired copies are gone.

        Raises:
            NotRepaired: the new copy is missing, or an expired copy remains.
            MeasurementError: the store cannot be listed.
        """
        copies = self._fetch_copies()
        if self.origin.set not in copies.sets:
            raise NotRepaired(f"no complete copy of {self.origin.set} in {self.address}")
        if remaining := self._expired(copies):
            raise NotRepaired(f"expired copies not removed from {self.address}: {', '.join(remaining)}")
