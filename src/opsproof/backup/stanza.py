"""The current state of the stanza of a declared backup."""

from opsproof.action import Work
from opsproof.backup_store import pgbackrest
from opsproof.backup_store.pgbackrest import Stanza
from opsproof.core.errors import Absent, MeasurementError
from opsproof.inventory.backups import Backup


def fetch_stanza(work: Work, backup: Backup) -> Stanza:
    """Asks pgBackRest for the stanza of a declared backup.

    Raises:
        MeasurementError: pgBackRest failed, or the stanza does not exist.
    """
    (answer,) = work.ask(pgbackrest.stanza_command(backup))
    try:
        return pgbackrest.parse(answer, backup)
    except Absent as error:
        raise MeasurementError(f"{error}: run pgbackrest stanza-create") from error
