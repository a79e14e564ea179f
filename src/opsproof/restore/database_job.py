"""The steps of a dump restore, by the state of the server."""

from collections.abc import Iterator
from contextlib import contextmanager

from opsproof.action import Step
from opsproof.backup_store.omission import listed
from opsproof.core import scripts
from opsproof.core.errors import InventoryError, MeasurementError, NotRepaired, OpsproofError, Refused, StepFailed
from opsproof.core.units import show
from opsproof.restore import contents, subscriptions, switch
from opsproof.restore.base import RestoreAction
from opsproof.restore.contents import ContentFindings
from opsproof.restore.copy import RestoredDatabase, drop_all
from opsproof.restore.database import DatabaseRestore
from opsproof.restore.server import (
    DIFFERS,
    FLAWED,
    NAME_BYTES,
    REPLACED,
    SWAPPED,
    SWAPPING,
    TRIED,
    VERIFIED,
    DatabaseMark,
    RestoreServer,
    ServerDatabase,
    parse_server,
)


class RestoreJob:
    """A restore: leftovers of earlier restores, the new database, the swap."""

    def __init__(self, action: RestoreAction) -> None:
        self.action, self.options = action, action.options
        self.work, self.client = action.work, action.client
        self.restore = DatabaseRestore(action)
        self.machine = self.restore.machine()
        self.server: RestoreServer = self.machine.server
        self.copy: RestoredDatabase | None = None
        self.resumed = False
        if self.options.into is not None:
            self._require_free(self.options.into)

    def _require_free(self, name: str) -> None:
        """Refuses an existing name, a name too long for PostgreSQL, and a name for temporary databases.

        Raises:
            InventoryError: the reason.
        """
        if len(name.encode()) > NAME_BYTES:
            raise InventoryError(f"--into: {name} is too long: {len(name.encode())} bytes (limit {NAME_BYTES})")
        if self.server.is_temporary(name):
            raise InventoryError(f"--into: {name} is a name of temporary databases, which the next restore drops")
        (answer,) = self.work.ask(self.client.sql(scripts.sql("restore/exists"), name=name))
        if name == self.server.live or answer.require("psql").stdout.strip() != "f":
            raise InventoryError(f"--into: {name} already exists")

    def dropping(self) -> list[Step]:
        """Steps that drop old databases of completed swaps, failed copies, and leftovers of drills and comparisons."""
        old = [*self._replaced(), *self._kept(self.server)]
        old += [*self.server.beside("drill"), *self.server.beside("comparing")]
        return [self._drop(each.name, f" ({show(each.size_bytes, 'bytes')})") for each in old]

    def _replaced(self) -> list[ServerDatabase]:
        return [each for each in self.server.beside("before") if each.mark.word == REPLACED]

    def _drop(self, name: str, more: str = "") -> Step:
        return Step(f"drop {name}{more}", lambda: drop_all(self.work, self.client, self.server, [name]))

    def finishing(self) -> list[Step]:
        """Steps that complete a swap interrupted after the rename, if any."""
        begun = [each for each in self.server.beside("before") if each.mark.word == SWAPPED]
        if not begun or self.options.into:
            return []
        archives = {each.name: each.mark.archive for each in begun}
        self.switch = switch.switch(self.work, self.client)
        title = f"complete the interrupted restore of {begun[-1].mark.archive}: start {self.switch.stops}"
        return [Step(title, lambda: self.switch.finish(list(archives), archives)), *self._waiting(None)]

    def restoring(self) -> list[Step]:
        """Steps that clean up after earlier restores, then restore.

        A verified copy of the same archive is reused; a copy that failed its comparison is compared again.
        """
        archive = self.restore.archive()
        fresh = self._resumable(archive.name) if archive.manifest is not None else None
        self.copy = self.restore.new_database("restoring", self.machine, archive)
        self.resumed = fresh is not None
        if fresh is not None:
            self.copy.name = fresh.name
        self.action.measured |= {"backup": self.action.backup_name, "set": archive.name}
        self.restore.judge(self.copy)
        fetching = self.restore.fetching(archive)
        make, verify = Step(self._title(), self._make), Step("compare with the manifest", self._verify)
        made = [*fetching, verify] if fresh in self._kept(self.server) else [] if fresh else [*fetching, make, verify]
        return [*self._cleaning_up(fresh), *made, *(self._naming() if self.options.into else self._swapping())]

    def _resumable(self, wanted: str) -> ServerDatabase | None:
        ready = [DatabaseMark(word, wanted) for word in (VERIFIED, SWAPPING, DIFFERS, FLAWED)]
        return next((each for each in reversed(self.server.beside("restoring")) if each.mark in ready), None)

    @staticmethod
    def _kept(server: RestoreServer) -> list[ServerDatabase]:
        """Copies with a failed comparison, dropped by --drop-old only."""
        return [each for each in server.beside("restoring") if each.mark.word in (DIFFERS, FLAWED)]

    def _cleaning_up(self, fresh: ServerDatabase | None) -> list[Step]:
        kept = self._kept(self.server)
        left = [each for each in self.server.beside("restoring") if each is not fresh and each not in kept]
        left += self.server.beside("comparing")
        serving = self.server.serving
        cut_off = any(each.mark.word == SWAPPING for each in left) or (serving is not None and not serving.open)
        steps = [self._drop(each.name, ", left by an earlier restore") for each in left]
        if cut_off and fresh is None:
            running = switch.switch(self.work, self.client)
            title = f"allow connections to {self.server.live}, start {running.stops}: a swap was interrupted"
            steps.insert(0, Step(title, lambda: running.finish([], {})))
        return steps

    def _title(self) -> str:
        assert self.copy is not None
        archive = self.copy.archive
        age, size = show(archive.age_s, "seconds"), show(archive.size_bytes, "bytes")
        omitted = listed(archive.manifest.not_dumped) if archive.manifest else ""
        without = f", without {omitted}" if omitted else ""
        return f"restore {archive.name} ({size}, {age} old) as {self.copy.name}{without}: {self.copy.estimate}"

    def _loss(self) -> str:
        """The rows lost and restored by the swap, by table; rows updated since the backup are not counted."""
        serving = self.server.serving
        if serving is None or not serving.open:
            return "data loss cannot be determined"
        return f"{self._changes(serving.name)}; rows updated since the backup are lost too, but not counted"

    def _changes(self, database: str) -> str:
        """How row counts of the backup differ from those of `database`, which is or was live."""
        assert self.copy is not None
        manifest = self.copy.archive.manifest
        if manifest is None:
            return "data loss cannot be determined"
        try:
            now = contents.parse_counted(self.work.ask(contents.counting(self.client, database))[0])
        except MeasurementError as error:
            return f"data loss cannot be determined: {error}"
        return contents.row_changes(manifest.tables, now) or "row counts are unchanged"

    def _make(self) -> None:
        assert self.copy is not None
        with self.restore.fetched(to_the_end=False), drop_on_failure(self.copy):
            self.copy.make()
        self.action.measured["restore_s"] = round(self.copy.restore_s, 2)

    def _verify(self) -> None:
        """Compares the copy, and keeps a failed copy, perhaps with the only data."""
        assert self.copy is not None
        with self.restore.fetched(to_the_end=True):
            try:
                findings = self.copy.findings(keep=True)
            except OpsproofError as error:
                findings = ContentFindings([f"comparison failed: {error}"])
        findings.report(self.work.say, self.action.measured)
        name, archive = self.copy.name, self.copy.archive.name
        if failure := findings.failure(archive):
            self._mark(FLAWED)
            raise StepFailed(f"{failure}; {name} is kept, to use it anyway: {self.copy.renaming}")
        if (difference := findings.difference(archive)) and not self.options.accept_differences:
            self._mark(DIFFERS)
            raise StepFailed(f"{difference}; {name} is kept: add --accept-differences to go on with it")
        self._mark(VERIFIED)

    def _mark(self, word: str) -> None:
        assert self.copy is not None
        self.copy.do("mark", name=self.copy.name, mark=f"{word} {self.copy.archive.name}")

    def _naming(self) -> list[Step]:
        return [Step(f"rename to {self.options.into}{self._labels}", self._name)]

    def _name(self) -> None:
        assert self.copy is not None
        self._carry_over()
        self.copy.do("rename", incoming=self.copy.name, name=self.options.into)

    def _swapping(self) -> list[Step]:
        assert self.copy is not None
        self.switch = switch.switch(self.work, self.client)
        self.aside = self.copy.name.replace("_restoring_", "_before_")
        serving = self.server.serving
        old = (
            f" (the old database is kept as {self.aside})"
            if serving
            else " (which does not exist, so its settings are lost)"
        )
        swap = f"stop {self.switch.stops}, rename {self.copy.name} to {self.server.live}{old}, start again"
        title = f"{swap}: {self._loss()}{self._labels}"
        return [Step(title, self._swap), *self._waiting(self.aside if serving else None)]

    @property
    def _labels(self) -> str:
        """The security labels of the live database: only a server with their providers accepts these statements."""
        labels = self.server.serving.traits["labels"] if self.server.serving else ""
        return f"; security labels are not carried over, set them afterwards: {labels}" if labels else ""

    def _swap(self) -> None:
        assert self.copy is not None
        self._carry_over()
        serving = self.server.serving is not None
        self.switch.swap(self.copy.name, self.aside, self.copy.archive.name, serving=serving)
        if serving:  # the plan's count is older than the last writes
            self.action.measured["rows"] = lost = self._changes(self.aside)
            self.work.say(f"     {lost}; {self.aside} has the rows from before the swap")
        self._name_subscriptions()

    def _name_subscriptions(self) -> None:
        try:
            server = parse_server(self.work.ask(self.client.server())[0], self.server.live)
            lines = subscriptions.after_swap(self.client, server, self.aside)
        except MeasurementError as error:
            lines = [f"the swap is done, but subscriptions cannot be listed: {error}"]
        if lines:
            self.action.measured["subscriptions"] = "; ".join(lines)
        for each in lines:
            self.work.say(f"     {each}")

    def _carry_over(self) -> None:
        """Copies owner, privileges and settings from the live database; without one, grants the defaults."""
        assert self.copy is not None
        if self.server.serving is None:
            self.copy.do("open", fresh=self.copy.name, owner=self.copy.traits["owner"])
            return
        values = {"fresh": self.copy.name, "live": self.server.live}
        command = self.client.sql(scripts.sql("restore/carry_over"), timeout_s=60, **values)
        if self.work.do(command, "psql (carry_over.sql)").stdout.strip() != "true":
            raise StepFailed(f"{self.copy.name} lacks privileges or settings of {self.server.live}")

    def _waiting(self, aside: str | None) -> list[Step]:
        """A step that waits for the health endpoints, else swaps back; empty without endpoints, processes or --wait."""
        if not self.switch.down or not self.options.wait or not self.switch.processes:
            return []
        names = ", ".join(self.switch.down)
        back = ", else swap back" if aside else ""
        return [
            Step(
                f"wait up to {self.options.wait:g} s for healthy answers from {names}{back}",
                lambda: self._await_health(aside),
            )
        ]

    def _await_health(self, aside: str | None) -> None:
        if not (health_failure := self.switch.health_failure(self.options.wait)):
            return
        if aside is None or self.copy is None:
            raise NotRepaired(f"the platform is not healthy: {health_failure}")
        self.switch.swap_back(aside, self.copy.name, f"{TRIED} {self.copy.archive.name}")
        raise StepFailed(f"swapped back, because {health_failure}; {self.copy.name} is kept")

    def guard(self) -> None:
        """Refuses a restore that cannot complete, and --drop-old while the live database is closed.

        Raises:
            Refused: the reason, and what to do.
        """
        serving = self.server.serving
        if self.options.drop_old and (serving is None or not serving.open):
            raise Refused(f"{self.server.live} accepts no connections: old databases may hold the only data, keep them")
        for each in self._replaced() if self.options.drop_old else ():
            subscriptions.require_droppable(self.client, self.server, each)
        if self.server.prepared:
            raise Refused(f"{self.server.live} has prepared transactions, which block the rename: end them first")
        if self.copy is not None and not self.resumed:
            self.restore.guard(self.copy)
        self.restore.require_trust()

    def prove(self) -> None:
        """Shows that the live database accepts connections and that no swap is incomplete.

        Raises:
            NotRepaired: the database is missing or closed, or leftovers remain.
            MeasurementError: the server cannot be read.
        """
        now = self.restore.machine().server
        kept = self._kept(now)
        half = [each.name for each in now.beside("restoring") if each not in kept]
        half += [each.name for each in now.beside("before") if each.mark.word == SWAPPED]
        if half and not self.options.drop_old:
            raise NotRepaired(f"leftover databases remain: {', '.join(half)}")
        if not self.options.into and (now.serving is None or not now.serving.open):
            raise NotRepaired(f"{now.live} accepts no connections")


@contextmanager
def drop_on_failure(copy: RestoredDatabase) -> Iterator[None]:
    """Drops the new database if the body fails.

    Raises:
        StepFailed: the body failed; the message tells whether the database was dropped.
    """
    try:
        yield
    except OpsproofError as error:
        try:
            copy.drop()
        except OpsproofError:
            raise StepFailed(f"{error}; {copy.name} may still exist, the next run drops it") from error
        raise StepFailed(f"{error}; {copy.name} was dropped, {copy.client.live} is unchanged") from error
