"""Whether the disks of a server have room for an index that is built beside another one, and for the log of that."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from opsproof.core.errors import MeasurementError
from opsproof.core.units import show
from opsproof.maintenance.indexes import Index
from opsproof.maintenance.machine import free, room
from opsproof.maintenance.session import MaintenanceServer, MaintenanceSession

MARGIN = 1.2
"""DiskSpace for so many times what is written must be free."""
_HIDDEN = "Permission denied"


@dataclass(frozen=True)
class FreeSpace:
    """A file system, by its number, and the bytes that are free on it."""

    number: str
    free_bytes: int


@dataclass
class DiskSpace:
    """What is free on the disks of a server, each looked at once, and what indexes that are `dropped` first leave."""

    session: MaintenanceSession
    server: MaintenanceServer
    dropped: Iterable[Index] = ()
    assumed: str = ""
    """What is taken to be so of the log, and cannot be seen."""
    _seen: dict[str, FreeSpace] = field(default_factory=dict)

    def lack(self, index: Index, sorted_bytes: int) -> str:
        """Where there is no room for a second one of an index, sorted on the way, and its log; empty where there is.

        The server stops all at once where the log has no room left; an index writes all of itself to it.

        Raises:
            MeasurementError: that cannot be told.
        """
        place, log = self._disk(index.folder or self.server.folder), self._log()
        beside = index.expected_bytes + sorted_bytes
        if place.number == log.number:
            return self._missing(place, beside + index.expected_bytes, "to be built, with its log")
        return self._missing(place, beside, "to be built") or self._missing(log, index.expected_bytes, "for its log")

    def _missing(self, disk: FreeSpace, written_bytes: int, why: str) -> str:
        needed, there = MARGIN * written_bytes, disk.free_bytes + self._freed(disk)
        if there >= needed:
            return ""
        return f"needs {show(needed, 'bytes')} {why}, and {show(there, 'bytes')} are free"

    def _freed(self, disk: FreeSpace) -> int:
        freed = 0
        for each in self.dropped:
            with suppress(MeasurementError):
                freed += each.bytes * (self._disk(each.folder or self.server.folder).number == disk.number)
        return freed

    def _log(self) -> FreeSpace:
        """Of the log, which may be a link to another disk; of the data, where nobody may look."""
        if self.server.folder is None:
            return self._disk(None)
        folder = f"{self.server.folder}/pg_wal"
        try:
            return self._disk(folder)
        except MeasurementError as error:
            if _HIDDEN not in str(error):
                raise
        self.assumed = f"{folder} cannot be looked into: the log is taken to lie on the disk of the data"
        return self._seen.setdefault(folder, self._disk(self.server.folder))

    def _disk(self, folder: str | None) -> FreeSpace:
        client = self.session.client
        if not client.sees_server or folder is None:
            raise MeasurementError(f"the disk of {client.name} cannot be seen from {client.host.name}")
        if folder not in self._seen:
            number = client.program("stat", "--dereference", "--format=%d", "--", folder)
            which, left = self.session.work.ask(number, room(client, folder))
            self._seen[folder] = FreeSpace(which.require("stat").stdout.strip(), free(left))
        return self._seen[folder]
