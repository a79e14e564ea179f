"""Verifies a backup: checksums, tables or files, age, owner and mode. Changes nothing.

Without --apply, prints what would be read; with --apply, reads the backup and exits with 5 if a problem is found.
Covers the weekly backup checks for any existing backup, without their timeouts.
With engine pgbackrest, the whole repository is read, including the WAL archive; the journal keeps the result for the
weekly round.
"""

import sys
import time
from argparse import ArgumentParser
from functools import partial

import installed  # noqa: F401

from opsproof.action import Step, main
from opsproof.backup import cluster_job, stanza
from opsproof.backup.declared import DeclaredBackups
from opsproof.backup_store import files_manifest
from opsproof.backup_store.dump_folder import DumpReading
from opsproof.backup_store.manifest import ManifestError
from opsproof.core.errors import Absent, InventoryError, MeasurementError, NotRepaired
from opsproof.core.units import show
from opsproof.inventory.backups import Backup


class VerifyBackup(DeclaredBackups):
    """Reads whole backups back from disk."""

    name = "verify_backup"

    @classmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        """Adds --backup and --set."""
        parser.add_argument("--backup", metavar="NAME", help="name of a declared backup (default: all)")
        parser.add_argument("--set", metavar="SET", help="name of a set, without suffixes (default: newest)")

    def plan(self) -> list[Step]:
        """One step for each backup."""
        self.flaws: list[str] = []
        return [self._step(name) for name in self.chosen]

    def _step(self, name: str) -> Step:
        if self.host.backups[name].engine == "pgbackrest":
            return self._of_stanza(name)
        folder = self.read_dump_folder(name)
        try:
            wanted = self.options.set or folder.newest
        except Absent as error:
            raise MeasurementError(str(error)) from error
        if wanted not in folder.sets:
            raise InventoryError(f"unknown set {wanted!r}; choose {' or '.join(folder.sets)}")
        size = show(folder.size(wanted), "bytes")
        return Step(f"read {wanted} back: {size}, owner, mode, age, contents", partial(self._verify, name, wanted))

    def _of_stanza(self, name: str) -> Step:
        if self.options.set:
            raise InventoryError("--set is not valid for engine pgbackrest: the whole repository is verified")
        backup = self.host.backups[name]
        found = stanza.fetch_stanza(self.work, backup)
        size = show(sum(each.own_bytes for each in found.backups), "bytes")
        title = f"read repository {backup.repo} of stanza {backup.stanza} back: {len(found.backups)} backups, {size}"
        return Step(f"{title}, the WAL archive, age", partial(self._verify_stanza, name))

    def _verify_stanza(self, name: str) -> None:
        backup = self.host.backups[name]
        started = time.monotonic()
        found = cluster_job.read_back(self, name)
        self.measured |= {"backup": name, "read_s": round(time.monotonic() - started, 2)}
        now = stanza.fetch_stanza(self.work, backup)
        limit = self.host.limit("backup_age", backup)
        age = limit.judge(now.age_s) if limit and now.backups else None
        found += [age.sentence] if age and age.verdict == "failed" else []
        self.flaws += [f"stanza {backup.stanza}: {each}" for each in found]

    def _verify(self, name: str, set_name: str) -> None:
        backup = self.host.backups[name]
        folder = self.read_dump_folder(name, set_name, backup.timeout)
        reading = folder.reading or DumpReading(set_name)
        found = [*folder.exposed(set_name), *reading.flaws()]
        try:
            found += _missing(reading, backup)
        except (Absent, ManifestError) as error:
            found += [str(error)] if str(error) not in found else []
        limit = self.host.limit("backup_age", backup)
        age = limit.judge(folder.age(set_name)) if limit and not self.options.set else None
        found += [age.sentence] if age and age.verdict == "failed" else []
        self.flaws += [f"{set_name}: {each}" for each in found]
        self.measured |= {"backup": name, "set": set_name}

    def prove(self, steps: list[Step]) -> None:
        """No problem was found."""
        del steps
        if self.flaws:
            raise NotRepaired("; ".join(self.flaws))


def _missing(reading: DumpReading, backup: Backup) -> list[str]:
    """What the archive lacks: tables of a dump, or files; raises as `DumpReading.lacks` does."""
    if backup.engine == "files":
        return files_manifest.read(reading.text).lacks(backup.paths)
    return [f"table {each} is missing from the archive" for each in reading.lacks(*backup.tables)]


if __name__ == "__main__":
    sys.exit(main(VerifyBackup))
