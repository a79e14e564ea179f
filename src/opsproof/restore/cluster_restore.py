"""A cluster that is restored by pgBackRest: which backup, to which moment, into which directory."""

import time

from opsproof.backup.stanza import fetch_stanza
from opsproof.backup_store.pgbackrest import ClusterBackup, Stanza
from opsproof.core.errors import InventoryError, NotRepaired, Refused
from opsproof.inventory.resources import Backup
from opsproof.restore import cluster
from opsproof.restore.base import STAMP, RestoreAction
from opsproof.restore.cluster import ClusterFiles
from opsproof.restore.moment import Moment, moment
from opsproof.restore.restored import RestoredCluster


class ClusterRestore:
    """The backup that an action restores, and the cluster that it makes of it.

    Raises:
        InventoryError: the data directory that serves is not declared.
    """

    def __init__(self, action: RestoreAction) -> None:
        self.action, self.host, self.work = action, action.host, action.work
        self.options = action.options
        self.backup: Backup = action.backup
        if not self.backup.data:
            raise InventoryError(f"backups.{action.backup_name}: data is missing: the cluster's data directory")

    @property
    def scratch(self) -> str:
        """What the paths of directories for drills begin with."""
        backup = self.backup
        return f"{backup.scratch}/{backup.stanza}" if backup.scratch else backup.data

    def restored(self, kind: cluster.Kind, prefix: str) -> RestoredCluster:
        """The cluster that is to be made of the backup, at a path that begins with `prefix`.

        Raises:
            InventoryError: the inventory or the command line does not say of what, or where.
            Refused: there is no such backup.
            MeasurementError: it cannot be told what there is.
        """
        target, backup = moment(self.options.to), self.backup
        found = fetch_stanza(self.work, backup)
        keeper = ClusterFiles(self.work, backup, found.version)
        made = self._chosen(found, target)
        self.action.measured |= {"backup": self.action.backup_name, "set": made.label} | (
            {"to": target.shown} if target else {}
        )
        path = f"{prefix}_{kind}_{time.strftime(STAMP, time.gmtime())}"
        return RestoredCluster(keeper, self.host, found, keeper.look(prefix), made, target, path, self.options.json)

    def _chosen(self, found: Stanza, target: Moment | None) -> ClusterBackup:
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
        return NotRepaired(why) if self.action.name == "restore_drill" else Refused(why)
