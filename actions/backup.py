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
from opsproof.backup import stanza_deed
from opsproof.backup.deed import BackupJob, DeclaredBackups, require_room


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
        self.stanzas = [
            stanza_deed.ClusterBackupJob(self, name) for name, engine in engines.items() if engine == "pgbackrest"
        ]
        self.deeds = [BackupJob(self, name) for name, engine in engines.items() if engine == "pg_dump"]
        targets = [target for deed in self.deeds for target in deed.targets]
        return [
            *(step for deed in self.deeds for step in self._dumping(deed)),
            *(step for deed in self.stanzas for step in deed.steps()),
            *(step for target in targets for step in target.copying()),
            *(step for target in targets for step in target.pruning()),
            *(step for deed in self.deeds for step in self._pruning(deed)),
        ]

    def _dumping(self, deed: BackupJob) -> list[Step]:
        steps = [Step(f"make {deed.set} {deed.outlook}", deed.dump, (deed.name,))]
        if deed.leftovers:
            title = f"remove what is left of interrupted backups: {deed.leftovers}"
            steps.insert(0, Step(title, deed.sweep, (deed.name,)))
        return steps

    def _pruning(self, deed: BackupJob) -> list[Step]:
        if not deed.expendable:
            return []
        return [Step(f"let go what need not be kept: {', '.join(deed.expendable)}", deed.prune, (deed.name,))]

    def guard(self, steps: list[Step]) -> None:
        """Nothing is begun that cannot come to its end."""
        del steps
        for deed in self.deeds:
            deed.guard()
        for each in self.stanzas:
            each.guard()
        require_room(self.deeds)

    def prove(self, steps: list[Step]) -> None:
        """Each new backup was read back, and lies where it should."""
        del steps
        for deed in self.deeds:
            deed.prove()
        for each in self.stanzas:
            each.prove()


if __name__ == "__main__":
    sys.exit(main(BackUp))
