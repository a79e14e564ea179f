"""The choice of a dump restore: which dump, from where, and whether the archive may be read."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from opsproof.action import Step
from opsproof.action.patience import patiently
from opsproof.action.room import MARGIN, require_room
from opsproof.backup_store import dump_folder, off_site
from opsproof.backup_store.off_site import Copies
from opsproof.core.errors import CommandError, Refused, StepFailed
from opsproof.core.units import show
from opsproof.restore import archive, copy, needed_roles, trust
from opsproof.restore.archive import DumpArchive
from opsproof.restore.base import STAMP, RestoreAction
from opsproof.restore.choice import local_sets, target_of
from opsproof.restore.copy import RestoredDatabase, RestoreMachine
from opsproof.restore.fetch import Fetch
from opsproof.restore.server import Kind
from opsproof.restore.trust import Trust, require_loader
from opsproof.transport.shell import argv

CUT_OFF_S, PAUSE_S = 10.0, 0.2
"""Seconds to wait for sessions of a killed run: the server completes a running CREATE DATABASE first."""


class DatabaseRestore:
    """The dump that an action restores, and the new database."""

    def __init__(self, action: RestoreAction) -> None:
        self.action, self.host, self.work = action, action.host, action.work
        self.options, self.backup, self.client = action.options, action.backup, action.client
        self.fetch: Fetch | None = None
        """Fetches an off-site copy to the host; set by `archive` if needed."""
        self.trust: Trust | None = None
        """Who loads the archive; set by `judge`, or after the fetch."""
        self.database: RestoredDatabase | None = None
        self.isolated = False
        """Whether code of the archive can reach nothing of value, so that it need not be judged."""

    def machine(self) -> RestoreMachine:
        """The host and the server as they are now, after sessions of a killed run have ended.

        Raises:
            MeasurementError: a command failed.
        """
        return patiently(
            lambda: copy.machine(self.work, self.client), lambda found: not found.server.at_work, CUT_OFF_S, PAUSE_S
        )

    def archive(self, *, whole: bool = False) -> DumpArchive:
        """The archive to restore; with `whole`, each file of the set must be there.

        Raises:
            InventoryError: the set is unknown, or encrypted without --identity.
            Refused: no set exists, the manifest is damaged, or a file differs from it in size.
            MeasurementError: the folder or the manifest cannot be read.
        """
        if self.options.archive:
            return archive.of_file(self.work, self.options.archive)
        target = target_of(self.options.target, self.backup)
        local, now = local_sets(self.work, self.backup, self.action.backup_name, target)
        copies = Copies({}, now)
        if self.options.target:
            copies = off_site.fetch_copies(off_site.copy_store(self.host, target), self.action.backup_name, now)
        sets = dump_folder.in_order({*local, *copies.sets}, now)
        name = archive.choose(sets, self.options.set, self.action.backup_name, target)
        if name in local:
            return archive.of_set(self.work, target, name, whole=whole)
        self.fetch = Fetch(self.work, self.backup, target, copies, self.options.identity)
        return self.fetch.archive(name)

    def fetching(self, of: DumpArchive) -> list[Step]:
        """The step that fetches an off-site archive to the host; empty for a local archive."""
        if self.fetch is None:
            return []
        size = show(of.size_bytes, "bytes")
        return [Step(f"fetch {of.name} ({size}) from {self.options.target} to {self.backup.folder}", self._fetch)]

    def _fetch(self) -> None:
        assert self.fetch is not None
        started = time.monotonic()
        self.fetch.run(quiet=self.options.json)
        self.action.measured |= {"from": self.options.target, "fetch_s": round(time.monotonic() - started, 2)}
        if not self.isolated:
            self._require_trust_of_copy()

    def _require_trust_of_copy(self) -> None:
        assert self.fetch is not None
        assert self.database is not None
        try:
            self._judge()
            self._require_roles(self.database)
            self.require_trust()
        except Refused as error:
            self.fetch.remove()
            raise StepFailed(str(error)) from error

    @contextmanager
    def fetched(self, *, to_the_end: bool) -> Iterator[None]:
        """Removes fetched files from the host after a failure, or at the end."""
        done = False
        try:
            yield
            done = True
        finally:
            if self.fetch is not None and (to_the_end or not done):
                self.fetch.remove()

    def new_database(self, kind: Kind, machine: RestoreMachine, of: DumpArchive) -> RestoredDatabase:
        """The database to create, named after the current time."""
        name = f"{self.client.live}_{kind}_{time.strftime(STAMP, time.gmtime())}"
        return RestoredDatabase(self.work, self.client, of, machine, name, self.options.json)

    def judge(self, of: RestoredDatabase) -> None:
        """Decides who loads the archive, and prints the code that the load runs; a copy elsewhere is fetched first.

        Raises:
            Refused: the table of contents cannot be read, and --trust-code is missing.
        """
        self.database = of
        if not self.isolated and self.fetch is None:
            self._judge()

    def _judge(self) -> None:
        of = self.database
        assert of is not None
        try:
            self.trust = Trust(self.client, of.machine.server, trust.read(self.work, of.archive))
        except CommandError as error:
            if not self.options.trust_code:
                raise Refused(f"{of.archive.name} cannot be read: {error}") from error
            return
        of.by_loader = self.trust.by_loader
        for each in self.trust.runs:
            self.work.say(f"  {each}")

    def require_trust(self) -> None:
        """Requires that the code of the archive gains no rights, or --trust-code.

        Raises:
            Refused: the reasons, the code, and the command to go on.
        """
        if self.trust is not None:
            self.trust.require(allowed=self.options.trust_code)

    def guard(self, of: RestoredDatabase) -> None:
        """Refuses an untrusted archive, and a restore that cannot complete.

        Raises:
            Refused: the reason, and what to do.
        """
        of.archive.require_trust(of.machine.version, allowed=self.options.untrusted)
        of.guard()
        self._require_roles(of)
        require_loader(self.client, of.machine.server)
        self.require_trust()
        if of.archive.manifest is None and of.machine.server.serving is None:
            raise Refused(
                f"encoding and locale are unknown: {of.archive.name} has no manifest, {self.client.live} is missing"
            )
        if self.fetch is not None:
            self._require_room(MARGIN * of.archive.size_bytes)

    def _require_roles(self, of: RestoredDatabase) -> None:
        """Refuses roles that the server lacks; of an archive to fetch, only the owner is known."""
        if not self.isolated:
            needed_roles.require(self.work, self.client, of.archive, self.trust.code.roles if self.trust else ())

    def _require_room(self, needed: float) -> None:
        (answer,) = self.work.ask(argv("df", "--block-size=1", "--output=avail", "--", self.backup.folder))
        free = float(answer.require("df").stdout.split()[-1])
        require_room(self.backup.folder, free, needed, " to fetch it")
