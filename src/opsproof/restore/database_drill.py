"""A drill of a dump: a database is restored where it is thrown away, and compared with its manifest."""

from collections.abc import Callable
from functools import partial

from opsproof.action import Step
from opsproof.core.errors import MeasurementError, NotRepaired, Refused, StepFailed
from opsproof.core.units import show
from opsproof.restore import throwaway
from opsproof.restore.archive import DumpArchive
from opsproof.restore.base import RestoreAction
from opsproof.restore.contents import ContentFindings
from opsproof.restore.database import DatabaseRestore


class DatabaseDrill:
    """One dump that is proven to be restorable."""

    def __init__(self, action: RestoreAction) -> None:
        self.action, self.work = action, action.work
        self.restore = DatabaseRestore(action)
        self.archive = self._archive()
        self.place = throwaway.place(self.work, action.client, self.archive)
        self.restore.client = self.place.client
        self.database = self.restore.new_database("drill", self.place.machine, self.archive)
        self.findings = ContentFindings()
        self.left = self.place.left()

    def steps(self) -> list[Step]:
        """Sweep, restore, compare, drop."""
        archive = self.archive
        self.action.measured |= {"set": archive.name}
        age, size = show(archive.age_s, "seconds"), show(archive.size_bytes, "bytes")
        steps = [
            Step(f"restore {archive.name} ({size}, {age} old) {self.place.where(self.database)}", self._make),
            Step("compare it with its manifest, check its indexes", self._compare),
            Step(f"drop {self.place.made(self.database)}", self._drop),
        ]
        steps[:0] = [Step(each.title, partial(self._found_out, each.do)) for each in self.restore.fetching(archive)]
        if self.left:
            sweep = Step(f"drop what earlier drills left: {', '.join(self.left)}", self._sweep)
            steps.insert(0, sweep)
        return steps

    def _archive(self) -> DumpArchive:
        """A backup that cannot be believed is one that the drill has found to be none."""
        try:
            return self.restore.archive()
        except Refused as error:
            raise NotRepaired(str(error)) from error

    def guard(self) -> None:
        """Nothing is begun that cannot come to its end."""
        self.restore.guard(self.database)

    def _sweep(self) -> None:
        self.place.drop(self.left)

    def _drop(self) -> None:
        self.place.drop(self.place.left())

    def _found_out(self, work: Callable[[], None]) -> None:
        """A backup that cannot be restored is what the drill is there to find: what was made of it still goes."""
        if self.findings.flaws:
            return
        try:
            work()
        except (StepFailed, MeasurementError) as error:
            self.findings.flaws.append(str(error))

    def _make(self) -> None:
        """Where no place can be made ready, that says nothing of the backup."""
        if not self.findings.flaws:
            self.place.begin()
        self._found_out(self._restore)

    def _restore(self) -> None:
        with self.restore.fetched():
            self.place.fill(self.database.archive)
            self.database.make()
        self.action.measured |= {
            "restore_s": round(self.database.restore_s, 2),
            "size_bytes": self.database.size_bytes(),
        }

    def _compare(self) -> None:
        if self.findings.flaws:
            return
        try:
            self.findings.add(self.database.findings(spare=False))
        except MeasurementError as error:
            self.findings.flaws.append(f"it cannot be compared: {error}")
        for each in self.findings.unseen:
            self.work.say(f"     {each}")
        if self.findings.unseen:
            self.action.measured["not_checked"] = "; ".join(self.findings.unseen)

    def prove(self) -> None:
        """The backup is good, and nothing is left of the drill.

        Raises:
            NotRepaired: the backup is not good.
            MeasurementError: that cannot be told.
        """
        if left := self.place.left():
            raise NotRepaired(f"still there: {', '.join(left)}")
        if self.findings.flaws:
            raise NotRepaired(f"{self.database.archive.name} is not good: {'; '.join(self.findings.flaws)}")
