"""Whether the server's disks have space for building a second copy of an index and for its WAL."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from opsproof.core.errors import MeasurementError
from opsproof.core.units import show
from opsproof.maintenance.indexes import Index
from opsproof.maintenance.machine import df, free
from opsproof.maintenance.session import MaintenanceServer, MaintenanceSession

MARGIN = 1.2
"""Required free space, as a multiple of the bytes to be written."""
_HIDDEN = "Permission denied"


@dataclass(frozen=True)
class FreeSpace:
    """A file system: its device number and its free bytes."""

    number: str
    free_bytes: int


@dataclass
class DiskSpace:
    """Free space on the server's disks, measured once each; indexes `dropped` before the build count as free."""

    session: MaintenanceSession
    server: MaintenanceServer
    dropped: Iterable[Index] = ()
    assumed: str = ""
    """An assumption about the disk of the WAL, for the user; empty if the disk was measured."""
    _seen: dict[str, FreeSpace] = field(default_factory=dict)

    def shortage(self, index: Index, sorted_bytes: int) -> str:
        """The missing disk space for a second copy of `index`, temporary sort files and WAL; empty if there is enough.

        The build writes the whole index to WAL, and PostgreSQL stops if pg_wal is full.

        Raises:
            MeasurementError: free space cannot be measured.
        """
        place, log = self._disk(index.folder or self.server.folder), self._log()
        beside = index.expected_bytes + sorted_bytes
        if place.number == log.number:
            return self._missing(place, beside + index.expected_bytes, "for the index and its WAL")
        return self._missing(place, beside, "for the index") or self._missing(log, index.expected_bytes, "for its WAL")

    def _missing(self, disk: FreeSpace, written_bytes: int, why: str) -> str:
        needed, there = MARGIN * written_bytes, disk.free_bytes + self._freed(disk)
        if there >= needed:
            return ""
        return f"needs {show(needed, 'bytes')} {why} ({show(there, 'bytes')} free)"

    def _freed(self, disk: FreeSpace) -> int:
        freed = 0
        for each in self.dropped:
            with suppress(MeasurementError):
                freed += each.bytes * (self._disk(each.folder or self.server.folder).number == disk.number)
        return freed

    def _log(self) -> FreeSpace:
        """The file system of pg_wal, which may be a symbolic link; of the data directory if pg_wal is not readable."""
        if self.server.folder is None:
            return self._disk(None)
        folder = f"{self.server.folder}/pg_wal"
        try:
            return self._disk(folder)
        except MeasurementError as error:
            if _HIDDEN not in str(error):
                raise
        self.assumed = f"{folder} is not readable: assuming WAL is on the disk of the data directory"
        return self._seen.setdefault(folder, self._disk(self.server.folder))

    def _disk(self, folder: str | None) -> FreeSpace:
        client = self.session.client
        if not client.sees_server or folder is None:
            raise MeasurementError(f"disk space of {client.name} cannot be measured from {client.host.name}")
        if folder not in self._seen:
            number = client.program("stat", "--dereference", "--format=%d", "--", folder)
            which, left = self.session.work.ask(number, df(client, folder))
            self._seen[folder] = FreeSpace(which.require("stat").stdout.strip(), free(left))
        return self._seen[folder]
