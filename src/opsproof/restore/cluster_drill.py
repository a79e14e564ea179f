"""A drill with pgBackRest: a cluster is restored into a directory that is thrown away, and read, all of it."""

from opsproof.action import Step
from opsproof.core.errors import MeasurementError, NotRepaired, StepFailed
from opsproof.restore.base import RestoreAction
from opsproof.restore.cluster_restore import ClusterRestore
from opsproof.restore.contents import ContentFindings
from opsproof.restore.restored import removing


class ClusterDrill:
    """One cluster that is proven to come back."""

    def __init__(self, action: RestoreAction) -> None:
        self.action, self.work = action, action.work
        self.findings = ContentFindings()
        restore = ClusterRestore(action)
        self.scratch = restore.scratch
        self.restored = restore.restored("drill", self.scratch)
        self.left = [each.path for each in self.restored.cluster.beside("drill")]

    def steps(self) -> list[Step]:
        """Sweep, restore, read, remove."""
        path = self.restored.path
        sweeps = [removing(self.restored.keeper, each, ", left of an earlier drill") for each in self.left]
        return [
            *sweeps,
            Step(f"{self.restored.title}: {self.restored.outlook}", self._make),
            Step("start a server on it, count all rows, check indexes, pages and trees", self._read),
            Step(f"remove {path}", self.restored.remove),
        ]

    def guard(self) -> None:
        """Nothing is begun that cannot come to its end."""
        self.restored.guard()

    def _make(self) -> None:
        """A backup that cannot be restored is what the drill is there to find: what is there of it still goes."""
        try:
            self.restored.make("--archive-mode", "off")
        except (StepFailed, MeasurementError) as error:
            self.findings.flaws.append(str(error))

    def _read(self) -> None:
        if self.findings.flaws:
            return
        try:
            self.restored.recover(thrown_away=True)
            self.action.measured |= {"restore_s": round(self.restored.restore_s, 2)}
            found, rows = self.restored.findings()
            self.findings.add(found)
            self.action.measured |= {"rows": rows, "size_bytes": self.restored.size_bytes()}
        except (StepFailed, MeasurementError) as error:
            self.findings.flaws.append(str(error))
        self._tell()

    def _tell(self) -> None:
        if self.restored.commit:
            self.action.measured["last_commit"] = self.restored.commit
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
        now = self.restored.keeper.look(self.scratch)
        if left := [each.path for each in now.beside("drill")]:
            raise NotRepaired(f"still there: {', '.join(left)}")
        if self.findings.flaws:
            raise NotRepaired(f"{self.restored.made.label} is not good: {'; '.join(self.findings.flaws)}")
