"""The stanza of a declared backup, as pgBackRest describes it now."""

from opsproof.action import Work
from opsproof.backup_store import pgbackrest
from opsproof.backup_store.pgbackrest import Stanza
from opsproof.core.errors import Absent, MeasurementError
from opsproof.inventory.resources import Backup


def fetch_stanza(work: Work, backup: Backup) -> Stanza:
    """The stanza of a declared backup as it is now.

    Raises:
        MeasurementError: it cannot be told; also where there is no such stanza.
    """
    (answer,) = work.ask(pgbackrest.stanza_command(backup))
    try:
        return pgbackrest.parse(answer, backup)
    except Absent as error:
        raise MeasurementError(f"{error}: make it with pgbackrest stanza-create") from error
