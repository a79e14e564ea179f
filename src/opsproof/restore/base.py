"""What the drill and the restore have in common: which backup, from where, whether it may be read."""

import time
from argparse import ArgumentParser
from functools import cached_property

from opsproof.backup import shelf
from opsproof.backup.deed import DeclaredBackups
from opsproof.errors import InventoryError, Refused
from opsproof.nouns import Backup
from opsproof.restore import archive, copy
from opsproof.restore.archive import Archive
from opsproof.restore.copy import Copy, Machine
from opsproof.restore.server import Client, Kind

STAMP = "%Y%m%dT%H%M%SZ"


class Restoring(DeclaredBackups):
    """An action that makes a new database of a backup."""

    name = ""

    @classmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        """Which backup, and from where."""
        parser.add_argument("--backup", metavar="NAME", help="a declared backup; not needed where there is one")
        parser.add_argument("--set", metavar="SET", default="", help="its name without suffixes; else the newest")
        parser.add_argument("--from", dest="folder", metavar="FOLDER", help="a folder of the host with copies of sets")
        parser.add_argument("--archive", metavar="FILE", help="any archive of pg_dump on the host, in place of a set")
        parser.add_argument("--untrusted", action="store_true", help="an archive without a manifest may be read")

    @cached_property
    def backup_name(self) -> str:
        """The one declared backup that it is about.

        Raises:
            InventoryError: there is none of this name, or several to choose from.
        """
        if len(self.chosen) > 1:
            raise InventoryError(f"--backup: say one of {', '.join(self.chosen)}")
        return self.chosen[0]

    @cached_property
    def backup(self) -> Backup:
        """It, as it is declared, or as it lies in the folder of the command line."""
        return archive.elsewhere(self.host.backups[self.backup_name], self.options.folder)

    @cached_property
    def client(self) -> Client:
        """PostgreSQL's programs for it."""
        return Client(self.host, self.backup)

    def machine(self) -> Machine:
        """The host and the server as they are now.

        Raises:
            MeasurementError: they do not tell.
        """
        return copy.machine(self.work, self.client)

    def archive(self) -> Archive:
        """What is to be restored.

        Raises:
            InventoryError: there is no such set.
            Refused: there is none at all, or it cannot be believed.
            MeasurementError: it cannot be read.
        """
        if self.options.archive:
            return archive.of_file(self.work, self.options.archive)
        (answer,) = self.work.ask(shelf.look(self.backup, self.backup_name, "none", ()))
        found = shelf.seen(answer, self.backup_name, self.backup.folder)
        return archive.of_set(self.work, self.backup, found, self.options.set)

    def copy(self, kind: Kind, machine: Machine, of: Archive) -> Copy:
        """The database that is to be made; its name holds the time."""
        name = f"{self.client.live}_{kind}_{time.strftime(STAMP, time.gmtime())}"
        return Copy(self.work, self.client, of, machine, name, self.options.json)

    def guard_copy(self, of: Copy) -> None:
        """Says no to an archive that must not be read, and to a restore that would not come to its end.

        Raises:
            Refused: why, and what to do.
        """
        of.archive.require_trust(of.machine.version, allowed=self.options.untrusted)
        of.guard()
        if of.archive.manifest is None and of.machine.server.serving is None:
            raise Refused(f"{of.archive.name} has no manifest, and there is no {self.client.live} to be made like")
