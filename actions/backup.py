"""Backs declared databases up: dumps each, reads it back, copies it off the host, lets old ones go.

Where pgBackRest does it, a full or a smaller backup of the cluster is made, all of the repository is read back, and
what its retention does not need any more is let go last.

Without --apply it says what it would do, how large the backup will be and how much room there is.
A backup that is interrupted at any moment leaves nothing that could be taken for one, and takes no
older one away; the next run removes what is left of it.
"""

import sys
from argparse import ArgumentParser

from opsproof.action import Step, main
from opsproof.backup.cluster_job import ClusterBackupJob
from opsproof.backup.declared import DeclaredBackups
from opsproof.backup.job import BackupJob, require_room


class BackUp(DeclaredBackups):
    """One backup of each declared database, and what follows from it."""

    name = "backup"

    @classmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        """Which of the declared backups."""
        parser.add_argument("--backup", metavar="NAME", help="one of the declared backups; all where it is left out")

    def plan(self) -> list[Step]:
        """For each backup: sweep, dump, copy, and only then let old ones go. One that fails stops no other."""
        engines = {name: self.host.backups[name].engine for name in self.chosen}
        self.stanzas = [ClusterBackupJob(self, name) for name, engine in engines.items() if engine == "pgbackrest"]
        self.jobs = [BackupJob(self, name) for name, engine in engines.items() if engine == "pg_dump"]
        targets = [target for job in self.jobs for target in job.targets]
        return [
            *(step for job in self.jobs for step in self._dumping(job)),
            *(step for job in self.stanzas for step in job.steps()),
            *(step for target in targets for step in target.copying()),
            *(step for target in targets for step in target.pruning()),
            *(step for job in self.jobs for step in self._pruning(job)),
        ]

    def _dumping(self, job: BackupJob) -> list[Step]:
        steps = [Step(f"make {job.set} {job.outlook}", job.dump, (job.name,))]
        if job.leftovers:
            title = f"remove what is left of interrupted backups: {job.leftovers}"
            steps.insert(0, Step(title, job.sweep, (job.name,)))
        return steps

    def _pruning(self, job: BackupJob) -> list[Step]:
        if not job.expired:
            return []
        return [Step(f"let go what need not be kept: {', '.join(job.expired)}", job.prune, (job.name,))]

    def guard(self, steps: list[Step]) -> None:
        """Nothing is begun that cannot come to its end."""
        del steps
        for job in self.jobs:
            job.guard()
        for each in self.stanzas:
            each.guard()
        require_room(self.jobs)

    def prove(self, steps: list[Step]) -> None:
        """Each new backup was read back, and lies where it should."""
        del steps
        for job in self.jobs:
            job.prove()
        for each in self.stanzas:
            each.prove()


if __name__ == "__main__":
    sys.exit(main(BackUp))
