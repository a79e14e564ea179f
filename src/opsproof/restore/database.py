"""A database that is restored from a dump: which dump, where it is, and whether it may be read."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from opsproof.action import Step
from opsproof.action.patience import patiently
from opsproof.action.room import MARGIN, require_room
from opsproof.backup_store import dump_folder, off_site
from opsproof.backup_store.off_site import Copies
from opsproof.core.errors import Absent, InventoryError, MeasurementError, Refused
from opsproof.core.units import show
from opsproof.inventory import resources
from opsproof.restore import archive, copy
from opsproof.restore.archive import DumpArchive
from opsproof.restore.base import STAMP, RestoreAction
from opsproof.restore.copy import RestoredDatabase, RestoreMachine
from opsproof.restore.fetch import Fetch
from opsproof.restore.server import Kind
from opsproof.transport.shell import argv

CUT_OFF_S, PAUSE_S = 10.0, 0.2
"""How long a server may take to end what it does for a client that is gone: it makes a database to its end."""


class DatabaseRestore:
    """The dump that an action restores, and the database that it makes of it."""

    def __init__(self, action: RestoreAction) -> None:
        self.action, self.host, self.work = action, action.host, action.work
        self.options, self.backup, self.client = action.options, action.backup, action.client
        self.fetch: Fetch | None = None
        """What fetches the dump to the host; known once there is an archive."""

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
            copies = off_site.fetch_copies(off_site.copy_store(self.host, target), self.action.backup_name, now)
        sets = dump_folder.in_order({*lying, *copies.sets}, now)
        name = archive.choose(sets, self.options.set, self.action.backup_name, target)
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
        (answer,) = self.work.ask(dump_folder.command(backup, self.action.backup_name, "none", ()))
        try:
            return dump_folder.parse(answer, self.action.backup_name, target).sets, answer.now
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
        self.action.measured |= {"from": self.options.target, "fetch_s": round(time.monotonic() - started, 2)}

    @contextmanager
    def fetched(self) -> Iterator[None]:
        """Removes from the host what was fetched, when it was used."""
        try:
            yield
        finally:
            if self.fetch is not None:
                self.fetch.remove()

    def new_database(self, kind: Kind, machine: RestoreMachine, of: DumpArchive) -> RestoredDatabase:
        """The database that is to be made; its name holds the time."""
        name = f"{self.client.live}_{kind}_{time.strftime(STAMP, time.gmtime())}"
        return RestoredDatabase(self.work, self.client, of, machine, name, self.options.json)

    def guard(self, of: RestoredDatabase) -> None:
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
