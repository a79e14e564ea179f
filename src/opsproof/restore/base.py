"""What the drill and the restore have in common: which backup, from where, whether it may be read."""

import time
from argparse import ArgumentParser
from functools import cached_property

from opsproof.backup import shelf
from opsproof.backup.deed import DeclaredBackups
from opsproof.backup.stanza import Made, Stanza
from opsproof.backup.stanza_deed import looked
from opsproof.errors import InventoryError, NotRepaired, Refused
from opsproof.nouns import Backup
from opsproof.restore import archive, cluster, copy
from opsproof.restore.archive import Archive
from opsproof.restore.cluster import Keeper
from opsproof.restore.copy import Copy, Machine
from opsproof.restore.moment import Moment, moment
from opsproof.restore.restored import Restored
from opsproof.restore.server import Client, Kind

STAMP = "%Y%m%dT%H%M%SZ"


class Restoring(DeclaredBackups):
    """An action that makes a new database, or a new cluster, of a backup."""

    name = ""

    @classmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        """Which backup, and from where."""
        parser.add_argument("--backup", metavar="NAME", help="a declared backup; not needed where there is one")
        parser.add_argument("--set", metavar="SET", default="", help="its name without suffixes; else the newest")
        parser.add_argument("--from", dest="folder", metavar="FOLDER", help="a folder of the host with copies of sets")
        parser.add_argument("--archive", metavar="FILE", help="any archive of pg_dump on the host, in place of a set")
        parser.add_argument("--to", metavar="TIME", help="pgBackRest: a moment with its zone; else the end of the log")
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
    def archived(self) -> bool:
        """Whether pgBackRest makes it.

        Raises:
            InventoryError: an option says something that its engine has not.
        """
        options = self.options
        archived = self.host.backups[self.backup_name].engine == "pgbackrest"
        wrong = {"--from": options.folder, "--archive": options.archive, "--untrusted": options.untrusted}
        for name, given in wrong.items() if archived else [("--to", options.to)]:
            if given:
                raise InventoryError(f"{name}: not with the engine {self.host.backups[self.backup_name].engine}")
        return archived

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

    @property
    def archived_backup(self) -> Backup:
        """The declared backup, of pgBackRest, with the directory that serves.

        Raises:
            InventoryError: it is not declared.
        """
        if not self.backup.data:
            raise InventoryError(f"backups.{self.backup_name}: data is missing: the cluster's data directory")
        return self.backup

    @property
    def scratch(self) -> str:
        """What the paths of directories for drills begin with."""
        backup = self.archived_backup
        return f"{backup.scratch}/{backup.stanza}" if backup.scratch else backup.data

    def restored(self, kind: cluster.Kind, prefix: str) -> Restored:
        """The cluster that is to be made of the backup, at a path that begins with `prefix`.

        Raises:
            InventoryError: the inventory or the command line does not say of what, or where.
            Refused: there is no such backup.
            MeasurementError: it cannot be told what there is.
        """
        target, backup = moment(self.options.to), self.archived_backup
        found = looked(self.work, backup)
        keeper = Keeper(self.work, backup, found.version)
        made = self._chosen(found, target)
        self.measured |= {"backup": self.backup_name, "set": made.label} | ({"to": target.shown} if target else {})
        path = f"{prefix}_{kind}_{time.strftime(STAMP, time.gmtime())}"
        return Restored(keeper, self.host, found, keeper.look(prefix), made, target, path, self.options.json)

    def _chosen(self, found: Stanza, target: Moment | None) -> Made:
        wanted = [each for each in found.backups if self.options.set in ("", each.label)]
        if self.options.set and not wanted:
            raise InventoryError(
                f"--set: {self.options.set!r} is none of {', '.join(each.label for each in found.backups)}"
            )
        if not wanted:
            raise self._none(f"there is no backup of stanza {found.name}")
        before = [each for each in wanted if target is None or each.ended < target.seconds]
        if not before:
            raise self._none(f"no backup ended before {self.options.to}: the first one is {wanted[0].label}")
        if target and target.seconds > found.now + 1:  # the host tells whole seconds
            raise InventoryError(f"--to: {self.options.to} is still to come")
        return before[-1]

    def _none(self, why: str) -> Refused | NotRepaired:
        """A drill that finds no backup has found what it is there to find."""
        return NotRepaired(why) if self.name == "restore_drill" else Refused(why)
