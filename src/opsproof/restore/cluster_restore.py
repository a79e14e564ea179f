"""The choice of a pgBackRest restore: backup label, recovery target time and directory."""

import time

from opsproof.backup.stanza import fetch_stanza
from opsproof.backup_store.pgbackrest import ClusterBackup, Stanza
from opsproof.core.errors import InventoryError, NotRepaired, Refused
from opsproof.inventory.backups import Backup
from opsproof.restore import cluster
from opsproof.restore.base import STAMP, RestoreAction
from opsproof.restore.cluster import ClusterFiles
from opsproof.restore.moment import Moment, parse_moment
from opsproof.restore.restored import RestoredCluster


class ClusterRestore:
    """The backup that an action restores, and the new cluster.

    Raises:
        InventoryError: the inventory declares no data directory.
    """

    def __init__(self, action: RestoreAction) -> None:
        self.action, self.host, self.work = action, action.host, action.work
        self.options = action.options
        self.backup: Backup = action.backup
        if not self.backup.data:
            raise InventoryError(
                f"backups.{action.backup_name}: `data` is missing: set it to the data directory of the cluster"
            )

    @property
    def scratch(self) -> str:
        """The prefix of paths of drill directories."""
        backup = self.backup
        return f"{backup.scratch}/{backup.stanza}" if backup.scratch else backup.data

    def restored(self, kind: cluster.Kind, prefix: str) -> RestoredCluster:
        """The cluster to create by the restore, in a directory whose path begins with `prefix`.

        Raises:
            InventoryError: --set or --to is not valid.
            Refused: a restore has no suitable backup.
            NotRepaired: a drill has no suitable backup.
            MeasurementError: the repository or the directories cannot be read.
        """
        target, backup = parse_moment(self.options.to), self.backup
        found = fetch_stanza(self.work, backup)
        files = ClusterFiles(self.work, backup, found.version)
        made = self._chosen(found, target)
        self.action.measured |= {"backup": self.action.backup_name, "set": made.label} | (
            {"to": target.shown} if target else {}
        )
        path = f"{prefix}_{kind}_{time.strftime(STAMP, time.gmtime())}"
        return RestoredCluster(files, self.host, found, files.read_state(prefix), made, target, path, self.options.json)

    def _chosen(self, found: Stanza, target: Moment | None) -> ClusterBackup:
        wanted = [each for each in found.backups if self.options.set in (None, each.label)]
        if self.options.set and not wanted:
            known = ", ".join(each.label for each in found.backups)
            raise InventoryError(f"--set: unknown set {self.options.set!r}; choose one of {known}")
        if not wanted:
            raise self._no_backup(f"no backup of stanza {found.name}")
        before = [each for each in wanted if target is None or each.ended < target.seconds]
        if not before:
            raise self._no_backup(f"no backup completed before {self.options.to}: the first is {wanted[0].label}")
        if target and target.seconds > found.now + 1:  # the host clock has whole seconds
            raise InventoryError(f"--to: {self.options.to} is in the future")
        return before[-1]

    def _no_backup(self, why: str) -> Refused | NotRepaired:
        """In a drill a missing backup is a finding; in a restore, a reason to refuse."""
        return NotRepaired(why) if self.action.name == "restore_drill" else Refused(why)
