"""The declared backups of a host, as an action is given them."""

from opsproof.action import Action
from opsproof.backup_store import dump_folder
from opsproof.backup_store.dump_folder import DumpFolder
from opsproof.core.errors import Absent, InventoryError, MeasurementError


class DeclaredBackups(Action):
    """An action on the declared backups of a host, or on the one that the command line names."""

    name = ""

    @property
    def chosen(self) -> list[str]:
        """Their names.

        Raises:
            InventoryError: there is none, or none of this name.
        """
        declared = list(self.host.backups)
        wanted = self.options.backup
        if not declared or wanted not in (None, *declared):
            known = f"--backup: {wanted!r} is none of {', '.join(declared)}"
            raise InventoryError(known if declared else f"hosts.{self.host.name} declares no backups")
        return declared if wanted is None else [wanted]

    def read_dump_folder(
        self, name: str, read: str = "none", timeout_s: float = dump_folder.READ_TIMEOUT_S
    ) -> DumpFolder:
        """What lies in the folder of the backup called `name`, with one set read back.

        Raises:
            MeasurementError: it cannot be told; also where there is no folder.
        """
        backup = self.host.backups[name]
        (answer,) = self.work.ask(
            dump_folder.command(backup, name, read, dump_folder.client(self.host, backup), timeout_s)
        )
        try:
            return dump_folder.parse(answer, name, backup.folder)
        except Absent as error:
            raise MeasurementError(f"{error}: make it, for the login user alone") from error
