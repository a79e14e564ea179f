"""Verifies a backup: its checksums, its list of tables, its age, owner and mode.

It changes nothing. Without --apply it says what it would read; with it, it reads, and ends with 5 where
something is wrong. It is the weekly checks of backups without their limits in time, for any of the backups there are.
"""

import sys
from argparse import ArgumentParser
from functools import partial

from opsproof.action import Step, main
from opsproof.backup.deed import DeclaredBackups
from opsproof.backup.manifest import ManifestError
from opsproof.backup.shelf import Reading
from opsproof.errors import Absent, InventoryError, MeasurementError, NotRepaired
from opsproof.quantities import show


class VerifyBackup(DeclaredBackups):
    """A backup that is read back from the disk, all of it."""

    name = "verify_backup"

    @classmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        """Which of the declared backups, and which set of it."""
        parser.add_argument("--backup", metavar="NAME", help="one of the declared backups; all where it is left out")
        parser.add_argument("--set", metavar="SET", help="its name without suffixes; the newest where it is left out")

    def plan(self) -> list[Step]:
        """One step for each backup."""
        self.flaws: list[str] = []
        return [self._step(name) for name in self.chosen]

    def _step(self, name: str) -> Step:
        shelf = self.shelf(name)
        try:
            wanted = self.options.set or shelf.newest
        except Absent as error:
            raise MeasurementError(str(error)) from error
        if wanted not in shelf.sets:
            raise InventoryError(f"--set: {wanted!r} is none of {', '.join(shelf.sets)}")
        size = show(shelf.size(wanted), "bytes")
        return Step(
            f"read {wanted} back: {size}, owner, mode, age, list of tables", partial(self._verify, name, wanted)
        )

    def _verify(self, name: str, set_name: str) -> None:
        backup = self.host.backups[name]
        shelf = self.shelf(name, set_name, backup.timeout)
        reading = shelf.reading or Reading(set_name)
        found = [*shelf.exposed(set_name), *reading.flaws()]
        try:
            found += [f"{each} is not in it" for each in reading.lacks(*backup.tables)]
        except (Absent, ManifestError) as error:
            found += [str(error)] if str(error) not in found else []
        limit = self.host.limit("backup_age", backup)
        age = limit.judge(shelf.age(set_name)) if limit and not self.options.set else None
        found += [age.sentence] if age and age.verdict == "failed" else []
        self.flaws += [f"{set_name}: {each}" for each in found]
        self.measured |= {"backup": name, "set": set_name}

    def prove(self, steps: list[Step]) -> None:
        """Nothing is wrong with what was read."""
        del steps
        if self.flaws:
            raise NotRepaired("; ".join(self.flaws))


if __name__ == "__main__":
    sys.exit(main(VerifyBackup))
