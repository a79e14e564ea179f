"""Backs declared databases up: dumps each, reads it back, copies it off the host, lets old ones go.

Where pgBackRest does it, a full or a smaller backup of the cluster is made, all of the repository is read back, and
what its retention does not need any more is let go last.

Without --apply it says what it would do, how large the backup will be and how much room there is.
A backup that is interrupted at any moment leaves nothing that could be taken for one, and takes no
older one away; the next run removes what is left of it.
"""

import sys
from argparse import ArgumentParser
from functools import partial

from opsproof.action import Step, main
from opsproof.backup import stanza_deed
from opsproof.backup.deed import DeclaredBackups, Deed


class BackUp(DeclaredBackups):
    """One backup of each declared database, and what follows from it."""

    name = "backup"

    @classmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        """Which of the declared backups."""
        parser.add_argument("--backup", metavar="NAME", help="one of the declared backups; all where it is left out")

    def plan(self) -> list[Step]:
        """For each backup: sweep, dump, copy, and only then let old ones go."""
        self.deeds = [self._deed(name) for name in self.chosen]
        return [step for deed in self.deeds for step in self._steps(deed)]

    def _deed(self, name: str) -> Deed | stanza_deed.Deed:
        engine = self.host.backups[name].engine
        return stanza_deed.Deed(self, name) if engine == "pgbackrest" else Deed(self, name)

    def _steps(self, deed: Deed | stanza_deed.Deed) -> list[Step]:
        if isinstance(deed, stanza_deed.Deed):
            return deed.steps()
        steps = [Step(f"make {deed.set} {deed.outlook}", deed.dump)]
        if deed.leftovers:
            steps.insert(0, Step(f"remove what is left of interrupted backups: {deed.leftovers}", deed.sweep))
        steps += [Step(f"copy {deed.set} to {each}", partial(deed.copy, each)) for each in deed.backup.off_site]
        if deed.expendable:
            steps.append(Step(f"let go what need not be kept: {', '.join(deed.expendable)}", deed.prune))
        return steps

    def guard(self, steps: list[Step]) -> None:
        """Nothing is begun that cannot come to its end."""
        del steps
        for deed in self.deeds:
            deed.guard()

    def prove(self, steps: list[Step]) -> None:
        """Each new backup was read back, and lies where it should."""
        del steps
        for deed in self.deeds:
            deed.prove()


if __name__ == "__main__":
    sys.exit(main(BackUp))
