"""Backs up the declared databases: dumps, reads the dumps back, copies them off the host, prunes expired backups.

With engine files: archives the declared paths with a checksum of every file, and names files that are missing from the
archive.

With engine pgbackrest: makes a full, differential or incremental backup of the cluster, verifies the whole
repository, and expires backups by pgBackRest's retention last.

With --download, makes no backup: copies the newest one of each dump, or --set, to a folder of this machine, and checks
the copy there.
Without --apply, prints the plan, the expected size and the free space.
A run interrupted at any moment leaves no partial backup and removes no older backup; the next run removes leftover
files.
"""

import sys
from argparse import ArgumentParser

import installed  # noqa: F401

from opsproof.action import Step, main
from opsproof.backup.cluster_job import ClusterBackupJob
from opsproof.backup.declared import DeclaredBackups
from opsproof.backup.download import Download
from opsproof.backup.files_job import FilesJob
from opsproof.backup.job import BackupJob, require_understood
from opsproof.backup.set_job import SetJob, require_room
from opsproof.core.errors import InventoryError


class BackUp(DeclaredBackups):
    """One new backup of each declared database or file set, its copies, and the pruning of expired backups."""

    name = "backup"

    @classmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        """Adds --backup, --download and --set."""
        parser.add_argument("--backup", metavar="NAME", help="name of a declared backup (default: all)")
        parser.add_argument(
            "--download", type="path", metavar="FOLDER", help="copy existing backups to this folder of this machine"
        )
        parser.add_argument("--set", metavar="SET", help="set for --download, without suffixes (default: newest)")

    def plan(self) -> list[Step]:
        """For each backup: remove leftovers, make, copy, then prune; a failed backup does not stop the others."""
        self.jobs: list[SetJob] = []
        self.stanzas: list[ClusterBackupJob] = []
        self.downloads = self._downloads()
        if self.options.download:
            return [step for each in self.downloads for step in each.steps()]
        engines = {name: self.host.backups[name].engine for name in self.chosen}
        self.stanzas = [ClusterBackupJob(self, name) for name, engine in engines.items() if engine == "pgbackrest"]
        kinds: dict[str, type[SetJob]] = {"pg_dump": BackupJob, "files": FilesJob}
        self.jobs = [kinds[engine](self, name) for name, engine in engines.items() if engine in kinds]
        targets = [target for job in self.jobs for target in job.targets]
        return [
            *(step for job in self.jobs for step in self._making(job)),
            *(step for job in self.stanzas for step in job.steps()),
            *(step for target in targets for step in target.copying()),
            *(step for target in targets for step in target.pruning()),
            *(step for job in self.jobs for step in self._pruning(job)),
        ]

    def _downloads(self) -> list[Download]:
        if self.options.set and not (self.options.download and len(self.chosen) == 1):
            raise InventoryError("--set needs --download, and --backup if several backups are declared")
        return [Download(self, name) for name in self.chosen] if self.options.download else []

    def _making(self, job: SetJob) -> list[Step]:
        steps = [Step(f"make {job.set} {job.outlook}", job.make, (job.name,))]
        if job.leftovers:
            title = f"remove leftovers of interrupted backups: {job.leftovers}"
            steps.insert(0, Step(title, job.sweep, (job.name,)))
        return steps

    def _pruning(self, job: SetJob) -> list[Step]:
        if not job.expired:
            return []
        return [Step(f"prune expired backups: {', '.join(job.expired)}", job.prune, (job.name,))]

    def guard(self, steps: list[Step]) -> None:
        """Refuses the run before anything changes if a backup would fail."""
        del steps
        for download in self.downloads:
            download.guard()
        for job in self.jobs:
            job.guard()
        for each in self.stanzas:
            each.guard()
        require_room(self.jobs)

    def prove(self, steps: list[Step]) -> None:
        """Each new backup and copy exists, and expired backups are gone."""
        del steps
        for download in self.downloads:
            download.prove()
        for job in self.jobs:
            job.prove()
        if any(isinstance(job, BackupJob) for job in self.jobs):
            require_understood(self.work.warnings)
        for each in self.stanzas:
            each.prove()


if __name__ == "__main__":
    sys.exit(main(BackUp))
