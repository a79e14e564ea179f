"""Restores a backup beside the live database, verifies the new database, and swaps both.

The plan shows the backup, its age, and how many rows would be lost. With --apply, processes are stopped only for the
swap; after any failure the old database stays or becomes live again. The old database is kept as DATABASE_before_TIME
until --drop-old. A new database that differs from the backup is kept: --accept-differences goes on with it if only
definitions differ. After a kill at any moment, the next run completes or rolls back; the plan shows which.
--into NAME restores into a database called NAME, without a swap.

With pgBackRest, a whole cluster is restored beside the live cluster, to the target time --to or to the end of archived
WAL. The declared commands stop and start the server for the swap of the data directories; --into names a directory.

With engine files, the declared paths are unpacked beside the live files, compared with the backup, and swapped one by
one, each at once; the old files are kept as PATH_before_TIME until --drop-old. --into names a new directory.
"""

import sys
from argparse import ArgumentParser

import installed  # noqa: F401

from opsproof.action import Step, main
from opsproof.core.errors import InventoryError
from opsproof.restore.base import RestoreAction
from opsproof.restore.cluster_job import ClusterRestoreJob
from opsproof.restore.database_job import RestoreJob
from opsproof.restore.files_job import FilesRestoreJob

Job = ClusterRestoreJob | FilesRestoreJob | RestoreJob


class Restore(RestoreAction):
    """Restores one backup over the live database or cluster."""

    name = "restore"

    @classmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        """Adds the options for backup, source, swap and old database."""
        super().add_arguments(parser)
        parser.add_argument("--into", metavar="NAME", help="restore into a new database or directory, without a swap")
        parser.add_argument("--drop-old", action="store_true", help="only drop what earlier restores replaced or kept")
        parser.add_argument(
            "--accept-differences", action="store_true", help="go on although definitions differ from the backup"
        )
        parser.add_argument(
            "--wait",
            type="seconds",
            default=30.0,
            metavar="SECONDS",
            help="longest wait for healthy answers after the swap (default: %(default)s; 0: no wait)",
        )
        parser.add_argument(
            "--up",
            type="seconds",
            default=600.0,
            metavar="SECONDS",
            help="pgBackRest: longest wait for the cluster to start after the swap (default: %(default)s)",
        )

    def plan(self) -> list[Step]:
        """Drops old databases, completes an interrupted swap, or restores, by options and state of the server."""
        if self.options.drop_old:
            self._require_no_source()
        jobs: dict[str, type[Job]] = {
            "pg_dump": RestoreJob,
            "pgbackrest": ClusterRestoreJob,
            "files": FilesRestoreJob,
        }
        self.job = jobs[self.engine](self)
        if self.options.drop_old:
            return self.job.dropping()
        return self.job.finishing() or self.job.restoring()

    def _require_no_source(self) -> None:
        said = self.options
        into = None if self.engine == "pgbackrest" else said.into  # of a cluster: the place
        given = {"--set": said.set, "--from": said.target, "--archive": said.archive, "--to": said.to, "--into": into}
        if wrong := [name for name, value in given.items() if value]:
            raise InventoryError(f"--drop-old restores nothing: omit {' and '.join(wrong)}")

    def guard(self, steps: list[Step]) -> None:
        """Refuses a restore that cannot complete."""
        del steps
        self.job.guard()

    def prove(self, steps: list[Step]) -> None:
        """Shows that the live database accepts connections and that no swap is incomplete."""
        del steps
        self.job.prove()


if __name__ == "__main__":
    sys.exit(main(Restore))
