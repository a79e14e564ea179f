"""Restores a backup into a temporary database, and compares the database with the manifest.

Compares row counts of every table and all definitions; checks constraints, indexes, heap and B-trees by pg_amcheck, and
vector indexes by queries. Restores the newest backup or --set; with --from an off-site copy in a folder, over ssh or in
a bucket. The live database is not touched; a drill removes leftovers of killed drills first.
Exits with 5 if the backup fails the verification, or if definitions differ.
With pgBackRest, a whole cluster is restored into a new directory, to the end of archived WAL or to --to, and read by a
private server.
With engine files, the archive is unpacked into a private folder, and every file is compared with its checksum.
"""

import sys

import installed  # noqa: F401

from opsproof.action import Step, main
from opsproof.restore.base import RestoreAction
from opsproof.restore.cluster_drill import ClusterDrill
from opsproof.restore.database_drill import DatabaseDrill
from opsproof.restore.files_drill import FilesDrill

Drill = ClusterDrill | DatabaseDrill | FilesDrill


class RestoreDrill(RestoreAction):
    """Proves that one backup can be restored."""

    name = "restore_drill"

    def plan(self) -> list[Step]:
        """Drop leftovers, restore, compare, drop."""
        if not self.options.archive:  # a drill of an arbitrary file does not test the declared backup
            self.measured |= {"backup": self.backup_name}
        drills: dict[str, type[Drill]] = {"pg_dump": DatabaseDrill, "pgbackrest": ClusterDrill, "files": FilesDrill}
        self.drill = drills[self.engine](self)
        return self.drill.steps()

    def guard(self, steps: list[Step]) -> None:
        """Refuses a drill that cannot complete."""
        del steps
        self.drill.guard()

    def prove(self, steps: list[Step]) -> None:
        """Shows that the backup is good and that nothing of the drill remains."""
        del steps
        self.drill.prove()


if __name__ == "__main__":
    sys.exit(main(RestoreDrill))
