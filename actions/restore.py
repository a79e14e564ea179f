"""Restores a backup beside the database that serves, and swaps the two once the new one is proven.

The plan says which backup, how old, and how many rows of now it does not have. With --apply the processes are
stopped for the swap alone; whatever fails, the old database serves on, or again. It stays, as DATABASE_before_TIME,
until --drop-old. Killed at any moment, the next run finishes what was begun or takes it back: its plan says which.
--into NAME makes a database of another name, and swaps nothing.

Of pgBackRest a whole cluster is restored beside the one that serves, to the moment that --to names, or to the end of
the archived log. The declared commands stop and start the server for the swap of the two data directories; --into
names a directory.
"""

import sys
from argparse import ArgumentParser

from opsproof.action import Step, main
from opsproof.restore.base import RestoreAction
from opsproof.restore.cluster_job import ClusterRestoreJob
from opsproof.restore.database_job import RestoreJob


class Restore(RestoreAction):
    """One backup that takes the place of the database it was made of."""

    name = "restore"

    @classmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        """Which backup, from where, and what becomes of the old database."""
        super().add_arguments(parser)
        parser.add_argument("--into", metavar="NAME", help="make this one, and leave the one that serves alone")
        parser.add_argument("--drop-old", action="store_true", help="only drop what earlier restores put aside")
        parser.add_argument(
            "--wait",
            type=float,
            default=30.0,
            metavar="SECONDS",
            help="for health after the swap (%(default)s; 0: none)",
        )
        parser.add_argument(
            "--up",
            type=float,
            default=600.0,
            metavar="SECONDS",
            help="pgBackRest: for the cluster to serve after the swap (%(default)s)",
        )

    def plan(self) -> list[Step]:
        """What the state of the server asks for: to drop, to finish, to go on, or to restore from the beginning."""
        self.job = ClusterRestoreJob(self) if self.uses_pgbackrest else RestoreJob(self)
        if self.options.drop_old:
            return self.job.dropping()
        return self.job.finishing() or self.job.restoring()

    def guard(self, steps: list[Step]) -> None:
        """Nothing is begun that cannot come to its end."""
        del steps
        self.job.guard()

    def prove(self, steps: list[Step]) -> None:
        """The database is there, takes connections, and nothing stands half-way beside it."""
        del steps
        self.job.prove()


if __name__ == "__main__":
    sys.exit(main(Restore))
