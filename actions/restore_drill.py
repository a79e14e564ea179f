"""Restores a backup for practice, where it is thrown away, and compares it with its manifest.

Rows of every table, the schema, constraints, indexes, pages and trees, and vector indexes by asking them.
It takes the newest backup, or the one that --set names; with --from a copy of it, in another folder, over ssh or in a
bucket. The database that serves is not touched; what a drill that was killed has left is taken away by the next one.
Ends with 5 where the backup is not as good as it should be.
Of pgBackRest a whole cluster is restored, to the end of the archived log or to a moment, into a directory of its own,
and a server that nobody else reaches is started on it.
"""

import sys

from opsproof.action import Step, main
from opsproof.restore.base import RestoreAction
from opsproof.restore.cluster_drill import ClusterDrill
from opsproof.restore.database_drill import DatabaseDrill


class RestoreDrill(RestoreAction):
    """One backup that is proven to be restorable."""

    name = "restore_drill"

    def plan(self) -> list[Step]:
        """Sweep, restore, compare, drop."""
        if not self.options.archive:  # a drill of any file proves nothing of the declared backup
            self.measured |= {"backup": self.backup_name}
        self.drill = ClusterDrill(self) if self.uses_pgbackrest else DatabaseDrill(self)
        return self.drill.steps()

    def guard(self, steps: list[Step]) -> None:
        """Nothing is begun that cannot come to its end."""
        del steps
        self.drill.guard()

    def prove(self, steps: list[Step]) -> None:
        """The backup is good, and nothing is left of the drill."""
        del steps
        self.drill.prove()


if __name__ == "__main__":
    sys.exit(main(RestoreDrill))
