"""Base of actions on the declared backups of a host."""

from opsproof.action import Action
from opsproof.backup_store import dump_folder
from opsproof.backup_store.dump_folder import DumpFolder
from opsproof.core.errors import Absent, InventoryError, MeasurementError


class DeclaredBackups(Action):
    """An action on all declared backups of a host, or on the backup given by --backup."""

    name = ""

    @property
    def chosen(self) -> list[str]:
        """Names of the selected backups.

        Raises:
            InventoryError: no backup is declared, or --backup names an undeclared backup.
        """
        declared = list(self.host.backups)
        wanted = self.options.backup
        if not declared or wanted not in (None, *declared):
            unknown = f"unknown backup {wanted!r}; choose {' or '.join(declared)}"
            raise InventoryError(unknown if declared else f"hosts.{self.host.name} declares no backups")
        return declared if wanted is None else [wanted]

    def read_dump_folder(
        self, name: str, read: str = "none", timeout_s: float = dump_folder.READ_TIMEOUT_S
    ) -> DumpFolder:
        """The folder of the backup `name`, with the set `read` read back: a set name, "newest" or "none".

        Raises:
            MeasurementError: the folder does not exist or cannot be read.
        """
        backup = self.host.backups[name]
        (answer,) = self.work.ask(
            dump_folder.command(backup, name, read, dump_folder.client(self.host, backup), timeout_s)
        )
        try:
            return dump_folder.parse(answer, name, backup.folder)
        except Absent as error:
            raise MeasurementError(f"{error}: create it with mode 0700 for the login user") from error
