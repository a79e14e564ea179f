"""Where a restore takes a backup from: the backup's folder, or the target of copies given by --from."""

from opsproof.action import Work
from opsproof.backup_store import dump_folder
from opsproof.core.errors import Absent, InventoryError, MeasurementError
from opsproof.inventory import backups
from opsproof.inventory.backups import Backup
from opsproof.transport.shell import argv


def target_of(wanted: str | None, backup: Backup) -> str:
    """The folder or target to read from; `wanted` is the value of --from.

    Raises:
        InventoryError: the target is not valid.
    """
    try:
        return backups.target(wanted or backup.folder)
    except ValueError as error:
        raise InventoryError(f"--from: {error}") from error


def local_sets(work: Work, backup: Backup, name: str, target: str) -> tuple[list[str], float]:
    """The unencrypted sets of the backup `name` in a folder on the host, and the time by the host's clock.

    Raises:
        MeasurementError: the folder does not exist or cannot be read.
    """
    if "://" in target:
        return [], work.ask(argv("true"))[0].now
    elsewhere = backup.model_copy(update={"folder": target})
    (answer,) = work.ask(dump_folder.command(elsewhere, name, "none", ()))
    try:
        return dump_folder.parse(answer, name, target).sets, answer.now
    except Absent as error:
        raise MeasurementError(str(error)) from error
