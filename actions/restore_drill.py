"""Restores a backup for practice, where it is thrown away, and compares it with its manifest.

Rows of every table, the schema, constraints, indexes, pages and trees, and vector indexes by asking them.
It takes the newest backup, or the one that --set names; with --from a copy of it, in another folder, over ssh or in a
bucket. The database that serves is not touched; what a drill that was killed has left is taken away by the next one.
Ends with 5 where the backup is not as good as it should be.
Of pgBackRest a whole cluster is restored, to the end of the archived log or to a moment, into a directory of its own,
and a server that nobody else reaches is started on it.
"""

import sys
from collections.abc import Callable
from functools import partial

from opsproof.action import Step, main
from opsproof.core.errors import MeasurementError, NotRepaired, Refused, StepFailed
from opsproof.core.units import show
from opsproof.restore import throwaway
from opsproof.restore.archive import DumpArchive
from opsproof.restore.base import Restoring
from opsproof.restore.cluster_drill import ClusterDrill
from opsproof.restore.contents import ContentFindings


class RestoreDrill(Restoring):
    """One backup that is proven to be one."""

    name = "restore_drill"

    def plan(self) -> list[Step]:
        """Sweep, restore, compare, drop."""
        if not self.options.archive:  # a drill of any file proves nothing of the declared backup
            self.measured |= {"backup": self.backup_name}
        if self.archived:
            self.cluster = ClusterDrill(self)
            return self.cluster.steps()
        archive = self._archive()
        self.place = throwaway.place(self.work, self.client, archive)
        self.client = self.place.client
        self.copy_ = self.copy("drill", self.place.machine, archive)
        self.findings = ContentFindings()
        self.left = self.place.left()
        self.measured |= {"set": archive.name}
        age, size = show(archive.age_s, "seconds"), show(archive.size_bytes, "bytes")
        steps = [
            Step(f"restore {archive.name} ({size}, {age} old) {self.place.where(self.copy_)}", self._make),
            Step("compare it with its manifest, check its indexes", self._compare),
            Step(f"drop {self.place.made(self.copy_)}", self._drop),
        ]
        steps[:0] = [Step(each.title, partial(self._found_out, each.do)) for each in self.fetching(archive)]
        if self.left:
            sweep = Step(f"drop what earlier drills left: {', '.join(self.left)}", self._sweep)
            steps.insert(0, sweep)
        return steps

    def _archive(self) -> DumpArchive:
        """A backup that cannot be believed is one that the drill has found to be none."""
        try:
            return self.archive()
        except Refused as error:
            raise NotRepaired(str(error)) from error

    def guard(self, steps: list[Step]) -> None:
        """Nothing is begun that cannot come to its end."""
        del steps
        if self.archived:
            self.cluster.guard()
        else:
            self.guard_copy(self.copy_)

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
        with self.fetched():
            self.place.fill(self.copy_.archive)
            self.copy_.make()
        self.measured |= {"restore_s": round(self.copy_.restore_s, 2), "size_bytes": self.copy_.size_bytes()}

    def _compare(self) -> None:
        if self.findings.flaws:
            return
        try:
            self.findings.add(self.copy_.findings(spare=False))
        except MeasurementError as error:
            self.findings.flaws.append(f"it cannot be compared: {error}")
        for each in self.findings.unseen:
            self.work.say(f"     {each}")
        if self.findings.unseen:
            self.measured["not_checked"] = "; ".join(self.findings.unseen)

    def prove(self, steps: list[Step]) -> None:
        """The backup is good, and nothing is left of the drill.

        Raises:
            NotRepaired: the backup is not good.
            MeasurementError: that cannot be told.
        """
        del steps
        if self.archived:
            self.cluster.prove()
            return
        if left := self.place.left():
            raise NotRepaired(f"still there: {', '.join(left)}")
        if self.findings.flaws:
            raise NotRepaired(f"{self.copy_.archive.name} is not good: {'; '.join(self.findings.flaws)}")


if __name__ == "__main__":
    sys.exit(main(RestoreDrill))
