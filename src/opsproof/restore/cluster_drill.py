"""A pgBackRest drill: restores a cluster into a temporary directory and reads all data."""

from opsproof.action import Step
from opsproof.core.errors import MeasurementError, NotRepaired, StepFailed
from opsproof.restore.base import RestoreAction
from opsproof.restore.cluster_restore import ClusterRestore
from opsproof.restore.contents import ContentFindings
from opsproof.restore.restored import removing


class ClusterDrill:
    """The drill of one cluster backup."""

    def __init__(self, action: RestoreAction) -> None:
        self.action, self.work = action, action.work
        self.findings = ContentFindings()
        restore = ClusterRestore(action)
        self.scratch = restore.scratch
        self.restored = restore.restored("drill", self.scratch)
        self.left = [each.path for each in self.restored.cluster.beside("drill")]

    def steps(self) -> list[Step]:
        """Steps that remove leftovers, restore, verify, and remove the restored cluster."""
        path = self.restored.path
        sweeps = [removing(self.restored.files, each, ", left by an earlier drill") for each in self.left]
        return [
            *sweeps,
            Step(f"{self.restored.title}: {self.restored.estimate}", self._make),
            Step("start a server there, count all rows, check indexes, run pg_amcheck", self._read),
            Step(f"remove {path}", self.restored.remove),
        ]

    def guard(self) -> None:
        """Refuses a drill without enough disk space, or of another cluster."""
        self.restored.guard()

    def _make(self) -> None:
        """Records a failed restore as a flaw of the backup: the remaining steps still remove the directory."""
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
        self._report()

    def _report(self) -> None:
        if self.restored.commit:
            self.action.measured["last_commit"] = self.restored.commit
        self.findings.report(self.work.say, self.action.measured)

    def prove(self) -> None:
        """Shows that the backup is good and that no directory of a drill remains.

        Raises:
            NotRepaired: the backup is not good, or a directory remains.
            MeasurementError: the directories cannot be listed.
        """
        now = self.restored.files.read_state(self.scratch)
        if left := [each.path for each in now.beside("drill")]:
            raise NotRepaired(f"leftover directories remain: {', '.join(left)}")
        if failure := self.findings.failure(self.restored.made.label):
            raise NotRepaired(failure)
