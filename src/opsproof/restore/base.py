"""What the drill and the restore have in common: which backup, from where, whether it may be read."""

import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from opsproof.action import Step
from opsproof.action.patience import patiently
from opsproof.action.room import MARGIN, require_room
from opsproof.backup.deed import DeclaredBackups
from opsproof.backup.stanza_deed import looked
from opsproof.backup_store import dump_folder, off_site
from opsproof.backup_store.off_site import Copies
from opsproof.backup_store.pgbackrest import Made, Stanza
from opsproof.core.errors import Absent, InventoryError, MeasurementError, NotRepaired, Refused
from opsproof.core.units import show
from opsproof.inventory import resources
from opsproof.inventory.resources import Backup
from opsproof.restore import archive, cluster, copy
from opsproof.restore.archive import DumpArchive
from opsproof.restore.cluster import ClusterFiles
from opsproof.restore.copy import RestoredDatabase, RestoreMachine
from opsproof.restore.fetch import Fetch
from opsproof.restore.moment import Moment, moment
from opsproof.restore.restored import RestoredCluster
from opsproof.restore.server import Kind, RestoreClient
from opsproof.transport.shell import argv

STAMP = "%Y%m%dT%H%M%SZ"
CUT_OFF_S, PAUSE_S = 10.0, 0.2
"""How long a server may take to end what it does for a client that is gone: it makes a database to its end."""


class Restoring(DeclaredBackups):
    """An action that makes a new database, or a new cluster, of a backup."""

    name = ""
    fetch: Fetch | None = None
    """What fetches the backup to the host, where it lies elsewhere; known once there is an archive."""

    @classmethod
    def add_arguments(cls, parser: ArgumentParser) -> None:
        """Which backup, and from where."""
        parser.add_argument("--backup", metavar="NAME", help="a declared backup; not needed where there is one")
        parser.add_argument("--set", metavar="SET", default="", help="its name without suffixes; else the newest")
        parser.add_argument(
            "--from",
            dest="target",
            default="",
            metavar="TARGET",
            help="where copies lie: a folder of the host, ssh://user@host/path, s3://bucket/path",
        )
        parser.add_argument(
            "--identity", type=Path, metavar="FILE", help="with the secret key of age, on this machine, for such copies"
        )
        parser.add_argument("--archive", metavar="FILE", help="any archive of pg_dump on the host, in place of a set")
        parser.add_argument("--to", metavar="TIME", help="pgBackRest: a moment with its zone; else the end of the log")
        parser.add_argument("--untrusted", action="store_true", help="an archive without a manifest may be read")

    @cached_property
    def backup_name(self) -> str:
        """The one declared backup that it is about.

        Raises:
            InventoryError: there is none of this name, or several to choose from.
        """
        if self.options.identity and not self.options.target:
            raise InventoryError("--identity is for copies that lie elsewhere: --from says where")
        if len(self.chosen) > 1:
            raise InventoryError(f"--backup: say one of {', '.join(self.chosen)}")
        return self.chosen[0]

    @cached_property
    def backup(self) -> Backup:
        """It, as it is declared: what is fetched or unpacked is put into its folder."""
        return self.host.backups[self.backup_name]

    @cached_property
    def archived(self) -> bool:
        """Whether pgBackRest makes it.

        Raises:
            InventoryError: an option says something that its engine has not.
        """
        options = self.options
        archived = self.host.backups[self.backup_name].engine == "pgbackrest"
        wrong = {"--from": options.target, "--archive": options.archive, "--untrusted": options.untrusted}
        for name, given in wrong.items() if archived else [("--to", options.to)]:
            if given:
                raise InventoryError(f"{name}: not with the engine {self.host.backups[self.backup_name].engine}")
        return archived

    @cached_property
    def client(self) -> RestoreClient:
        """PostgreSQL's programs for it."""
        return RestoreClient(self.host, self.backup)

    def machine(self) -> RestoreMachine:
        """The host and the server as they are now; what a run that was killed just before began there, ends first.

        Raises:
            MeasurementError: they do not tell.
        """
        return patiently(
            lambda: copy.machine(self.work, self.client), lambda found: not found.server.at_work, CUT_OFF_S, PAUSE_S
        )

    def archive(self) -> DumpArchive:
        """What is to be restored.

        Raises:
            InventoryError: there is no such set, or it is encrypted, and no secret key was named.
            Refused: there is none at all, or it cannot be believed.
            MeasurementError: it cannot be read.
        """
        if self.options.archive:
            return archive.of_file(self.work, self.options.archive)
        target = self._target()
        lying, now = self._lying(target)
        copies = Copies({}, now)
        if self.options.target:
            copies = off_site.copies(off_site.place(self.host, target), self.backup_name, now)
        sets = dump_folder.in_order({*lying, *copies.sets}, now)
        name = archive.choose(sets, self.options.set, self.backup_name, target)
        if name in lying:
            return archive.of_set(self.work, target, name)
        self.fetch = Fetch(self.work, self.backup, target, copies, self.options.identity)
        return self.fetch.archive(name)

    def _target(self) -> str:
        try:
            return resources.target(self.options.target or self.backup.folder)
        except ValueError as error:
            raise InventoryError(f"--from: {error}") from error

    def _lying(self, target: str) -> tuple[list[str], float]:
        """The backups that lie in a folder of the host as they were made, and the host's clock."""
        if "://" in target:
            return [], self.work.ask(argv("true"))[0].now
        backup = self.backup.model_copy(update={"folder": target})
        (answer,) = self.work.ask(dump_folder.look(backup, self.backup_name, "none", ()))
        try:
            return dump_folder.seen(answer, self.backup_name, target).sets, answer.now
        except Absent as error:
            raise MeasurementError(str(error)) from error

    def fetching(self, of: DumpArchive) -> list[Step]:
        """The step that puts the archive on the host, where it lies elsewhere."""
        if self.fetch is None:
            return []
        size = show(of.size_bytes, "bytes")
        return [Step(f"fetch {of.name} ({size}) from {self.options.target} to {self.backup.folder}", self._bring)]

    def _bring(self) -> None:
        assert self.fetch is not None
        started = time.monotonic()
        self.fetch.bring(quiet=self.options.json)
        self.measured |= {"from": self.options.target, "fetch_s": round(time.monotonic() - started, 2)}

    @contextmanager
    def fetched(self) -> Iterator[None]:
        """Removes from the host what was fetched, when it was used."""
        try:
            yield
        finally:
            if self.fetch is not None:
                self.fetch.remove()

    def copy(self, kind: Kind, machine: RestoreMachine, of: DumpArchive) -> RestoredDatabase:
        """The database that is to be made; its name holds the time."""
        name = f"{self.client.live}_{kind}_{time.strftime(STAMP, time.gmtime())}"
        return RestoredDatabase(self.work, self.client, of, machine, name, self.options.json)

    def guard_copy(self, of: RestoredDatabase) -> None:
        """Says no to an archive that must not be read, and to a restore that would not come to its end.

        Raises:
            Refused: why, and what to do.
        """
        of.archive.require_trust(of.machine.version, allowed=self.options.untrusted)
        of.guard()
        if of.archive.manifest is None and of.machine.server.serving is None:
            raise Refused(f"{of.archive.name} has no manifest, and there is no {self.client.live} to be made like")
        if self.fetch is not None:
            self._require_room(MARGIN * of.archive.size_bytes)

    def _require_room(self, needed: float) -> None:
        (answer,) = self.work.ask(argv("df", "--block-size=1", "--output=avail", "--", self.backup.folder))
        free = float(answer.require("df").stdout.split()[-1])
        require_room(self.backup.folder, free, needed, " to fetch it")

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

    def restored(self, kind: cluster.Kind, prefix: str) -> RestoredCluster:
        """The cluster that is to be made of the backup, at a path that begins with `prefix`.

        Raises:
            InventoryError: the inventory or the command line does not say of what, or where.
            Refused: there is no such backup.
            MeasurementError: it cannot be told what there is.
        """
        target, backup = moment(self.options.to), self.archived_backup
        found = looked(self.work, backup)
        keeper = ClusterFiles(self.work, backup, found.version)
        made = self._chosen(found, target)
        self.measured |= {"backup": self.backup_name, "set": made.label} | ({"to": target.shown} if target else {})
        path = f"{prefix}_{kind}_{time.strftime(STAMP, time.gmtime())}"
        return RestoredCluster(keeper, self.host, found, keeper.look(prefix), made, target, path, self.options.json)

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
