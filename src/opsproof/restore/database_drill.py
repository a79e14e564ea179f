"""A drill of a dump: restores a temporary database and compares the database with the manifest."""

from collections.abc import Callable
from functools import partial

from opsproof.action import Step
from opsproof.backup_store.omission import listed, losses
from opsproof.core.errors import MeasurementError, NotRepaired, OpsproofError, Refused, StepFailed
from opsproof.core.units import show
from opsproof.restore import throwaway
from opsproof.restore.archive import DumpArchive
from opsproof.restore.base import RestoreAction
from opsproof.restore.contents import ContentFindings
from opsproof.restore.database import DatabaseRestore


class DatabaseDrill:
    """The drill of one dump."""

    def __init__(self, action: RestoreAction) -> None:
        self.action, self.work = action, action.work
        self.restore = DatabaseRestore(action)
        self.archive = self._archive()
        self.place = throwaway.place(self.work, action.client, self.archive)
        self.restore.client, self.restore.isolated = self.place.client, self.place.isolated
        self.database = self.restore.new_database("drill", self.place.machine, self.archive)
        self._judge()
        self.findings = ContentFindings()
        self.left = self.place.left()

    def steps(self) -> list[Step]:
        """Drop leftovers, restore, compare, drop."""
        archive = self.archive
        self.action.measured |= {"set": archive.name}
        age, size = show(archive.age_s, "seconds"), show(archive.size_bytes, "bytes")
        steps = [
            Step(f"restore {archive.name} ({size}, {age} old) {self.place.where(self.database)}", self._make),
            Step("compare with the manifest, check indexes", self._compare),
            Step(f"drop {self.place.made(self.database)}", self._drop),
        ]
        fetching = self.restore.fetching(archive)
        steps[:0] = [Step(each.title, partial(self._record_failure, each.do)) for each in fetching]
        if self.left:
            sweep = Step(f"drop leftovers of earlier drills: {', '.join(self.left)}", self._sweep)
            steps.insert(0, sweep)
        return steps

    def _archive(self) -> DumpArchive:
        """The archive of the drill. A missing set, or a damaged manifest or file, means that the backup is not good.

        Raises:
            NotRepaired: the set is missing, or its manifest or a file is damaged.
        """
        try:
            return self.restore.archive(whole=True)
        except Refused as error:
            raise NotRepaired(str(error)) from error

    def _judge(self) -> None:
        """An archive without a readable table of contents means that the backup is not good.

        Raises:
            NotRepaired: the table of contents cannot be read.
        """
        try:
            self.restore.judge(self.database)
        except Refused as error:
            raise NotRepaired(str(error)) from error

    def guard(self) -> None:
        """Refuses a drill that cannot complete."""
        self.restore.guard(self.database)

    def _sweep(self) -> None:
        self.place.drop(self.left)

    def _drop(self) -> None:
        self.place.drop(self.place.left())

    def _record_failure(self, work: Callable[[], None]) -> None:
        """Records a failure of `work` as a flaw of the backup: the remaining steps still drop the database."""
        if self.findings.flaws:
            return
        try:
            work()
        except (StepFailed, MeasurementError) as error:
            self.findings.flaws.append(str(error))

    def _make(self) -> None:
        """Restores; a failure to prepare the place fails the step, and is no flaw of the backup."""
        if not self.findings.flaws:
            self.place.prepare()
        self._record_failure(self._restore)

    def _restore(self) -> None:
        with self.restore.fetched(to_the_end=False):
            self.place.restore_roles(self.database.archive)
            self.database.make()
        self.place.settle(self.database.name)
        self.action.measured |= {
            "restore_s": round(self.database.restore_s, 2),
            "size_bytes": self.database.size_bytes(),
        }

    def _compare(self) -> None:
        if self.findings.flaws:
            return
        with self.restore.fetched(to_the_end=True):
            try:
                self.findings.add(self.database.findings(keep=False))
            except OpsproofError as error:
                self.findings.flaws.append(f"comparison failed: {error}")
        self._name_omissions()
        self.findings.report(self.work.say, self.action.measured)

    def _name_omissions(self) -> None:
        """Records what is not in the backup; omissions that `not_dumped` does not declare are flaws."""
        omitted = self.archive.manifest.not_dumped if self.archive.manifest else ()
        if omitted:
            self.action.measured["not_dumped"] = listed(omitted)
            self.work.say(f"     not in the backup: {listed(omitted)}")
        self.findings.flaws += [f"{each} is not in the backup" for each in losses(omitted, self.restore.backup)]

    def prove(self) -> None:
        """Shows that the backup is good and that nothing of the drill remains.

        Raises:
            NotRepaired: the backup is not good, or a database or container remains.
            MeasurementError: leftovers cannot be listed.
        """
        name, left = self.database.archive.name, self.place.left()
        failure = f"leftovers of the drill remain: {', '.join(left)}" if left else self.findings.failure(name)
        if failure:
            self.action.measured["flaws"] = failure
        if failure := failure or self.findings.difference(name):
            raise NotRepaired(failure)
