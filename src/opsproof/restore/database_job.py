"""What a restore does with a server as it finds it, step by step."""

from collections.abc import Iterator
from contextlib import contextmanager

from opsproof.action import Step
from opsproof.core import scripts
from opsproof.core.errors import InventoryError, MeasurementError, NotRepaired, OpsproofError, Refused, StepFailed
from opsproof.core.units import show
from opsproof.restore import contents, switch
from opsproof.restore.base import RestoreAction
from opsproof.restore.copy import RestoredDatabase, drop_all
from opsproof.restore.database import DatabaseRestore
from opsproof.restore.server import REPLACED, SWAPPED, SWAPPING, TRIED, VERIFIED, DatabaseMark, RestoreServer, Standing


class RestoreJob:
    """One restore: what is left of others, the new database, the swap."""

    def __init__(self, action: RestoreAction) -> None:
        self.action, self.options = action, action.options
        self.work, self.client = action.work, action.client
        self.restore = DatabaseRestore(action)
        self.machine = self.restore.machine()
        self.server: RestoreServer = self.machine.server
        self.copy: RestoredDatabase | None = None
        self.resumed = False
        if self.options.into is not None and self.options.into in (self.server.live, *self.server.databases):
            raise InventoryError(f"--into: {self.options.into} is there already")

    def dropping(self) -> list[Step]:
        """Drops what earlier restores have put aside; not what a swap that has not come to its end put there."""
        old = [each for each in self.server.beside("before") if each.mark.word == REPLACED]
        return [self._drop(each.name, f" ({show(each.size_bytes, 'bytes')})") for each in old]

    def _drop(self, name: str, more: str = "") -> Step:
        return Step(f"drop {name}{more}", lambda: drop_all(self.work, self.client, [name]))

    def finishing(self) -> list[Step]:
        """Finishes a swap that was interrupted once the names were swapped; nothing else is done then."""
        begun = [each for each in self.server.beside("before") if each.mark.word == SWAPPED]
        if not begun or self.options.into:
            return []
        made_of = {each.name: each.mark.archive for each in begun}
        self.switch = switch.switch(self.work, self.client)
        title = f"finish the restore of {begun[-1].mark.archive}, which was interrupted: start {self.switch.stops}"
        return [Step(title, lambda: self.switch.finish(list(made_of), made_of)), *self._waiting(None)]

    def restoring(self) -> list[Step]:
        """Takes back what was begun and is not wanted any more, and restores; or goes on where it was interrupted."""
        archive = self.restore.archive()
        fresh = self._resumable(archive.name) if archive.manifest is not None else None
        self.copy = self.restore.new_database("restoring", self.machine, archive)
        self.resumed = fresh is not None
        if fresh is not None:
            self.copy.name = fresh.name
        self.action.measured |= {"backup": self.action.backup_name, "set": archive.name}
        fetching = self.restore.fetching(archive)
        make, verify = Step(self._title(), self._make), Step("compare it with its manifest", self._verify)
        made = [] if fresh else [*fetching, make, verify]
        return [*self._taking_back(fresh), *made, *(self._naming() if self.options.into else self._swapping())]

    def _resumable(self, wanted: str) -> Standing | None:
        ready = [DatabaseMark(word, wanted) for word in (VERIFIED, SWAPPING)]
        return next((each for each in reversed(self.server.beside("restoring")) if each.mark in ready), None)

    def _taking_back(self, fresh: Standing | None) -> list[Step]:
        left = [each for each in self.server.beside("restoring") if each is not fresh]
        serving = self.server.serving
        cut_off = any(each.mark.word == SWAPPING for each in left) or (serving is not None and not serving.open)
        steps = [self._drop(each.name, ", left of an earlier restore") for each in left]
        if cut_off and fresh is None:
            running = switch.switch(self.work, self.client)
            title = f"let {self.server.live} take connections, start {running.stops}: a swap was interrupted"
            steps.insert(0, Step(title, lambda: running.finish([], {})))
        return steps

    def _title(self) -> str:
        assert self.copy is not None
        archive = self.copy.archive
        age, size = show(archive.age_s, "seconds"), show(archive.size_bytes, "bytes")
        return f"restore {archive.name} ({size}, {age} old) as {self.copy.name}: {self.copy.outlook}"

    def _loss(self) -> str:
        """What the database that serves has, and the backup has not, by the rows of each table."""
        assert self.copy is not None
        manifest, serving = self.copy.archive.manifest, self.server.serving
        if manifest is None or serving is None or not serving.open:
            return "what is lost cannot be told"
        try:
            _, count = contents.questions(self.client, serving.name)
            now = contents.tables(self.work.ask(count)[0])
        except MeasurementError as error:
            return f"what is lost cannot be told: {error}"
        lost = contents.lost(manifest.tables, now) or "no table has more rows now, or fewer"
        return f"{lost}; rows that were changed since are lost too, and not counted"

    def _make(self) -> None:
        assert self.copy is not None
        with self.restore.fetched(), undone(self.copy):
            self.copy.make()
        self.action.measured["restore_s"] = round(self.copy.restore_s, 2)

    def _verify(self) -> None:
        assert self.copy is not None
        with undone(self.copy):
            findings = self.copy.findings(spare=True)
            for each in findings.unseen:
                self.work.say(f"     {each}")
            if findings.flaws:
                raise StepFailed(f"{self.copy.archive.name} is not good: {'; '.join(findings.flaws)}")
        self.copy.do("mark", name=self.copy.name, mark=f"{VERIFIED} {self.copy.archive.name}")

    def _naming(self) -> list[Step]:
        return [Step(f"call it {self.options.into}", self._name)]

    def _name(self) -> None:
        assert self.copy is not None
        self._carry_over()
        self.copy.do("swap", live=self.options.into, incoming=self.copy.name, aside="", mark="")

    def _swapping(self) -> list[Step]:
        assert self.copy is not None
        self.switch = switch.switch(self.work, self.client)
        self.aside = self.copy.name.replace("_restoring_", "_before_")
        serving = self.server.serving
        old = f", which stays as {self.aside}" if serving else ", which is gone with its own privileges and settings"
        swap = f"stop {self.switch.stops}, put {self.copy.name} in the place of {self.server.live}{old}, start again"
        return [Step(f"{swap}: {self._loss()}", self._swap), *self._waiting(self.aside if serving else None)]

    def _swap(self) -> None:
        assert self.copy is not None
        self._carry_over()
        serving = self.server.serving is not None
        self.switch.over(self.copy.name, self.aside, self.copy.archive.name, serving=serving)

    def _carry_over(self) -> None:
        """Owner, privileges and settings of the database that serves; where none does, those of any new one."""
        assert self.copy is not None
        if self.server.serving is None:
            self.copy.do("open", fresh=self.copy.name)
            return
        values = {"fresh": self.copy.name, "live": self.server.live}
        command = self.client.sql(scripts.sql("restore/carry_over"), timeout_s=60, **values)
        if self.work.do(command, "psql (carry_over.sql)").stdout.strip() != "true":
            raise StepFailed(f"{self.copy.name} did not get all privileges and settings of {self.server.live}")

    def _waiting(self, aside: str | None) -> list[Step]:
        """Waits for health where something says it; where it does not come, what was put aside serves again."""
        if not self.switch.down or not self.options.wait or not self.switch.processes:
            return []
        names = ", ".join(self.switch.down)
        back = " and swap back unless it comes" if aside else ""
        return [Step(f"wait {self.options.wait:g} s for {names}{back}", lambda: self._await_health(aside))]

    def _await_health(self, aside: str | None) -> None:
        if not (illness := self.switch.illness(self.options.wait)):
            return
        if aside is None or self.copy is None:
            raise NotRepaired(f"the platform is not healthy: {illness}")
        self.switch.back(aside, self.copy.name, f"{TRIED} {self.copy.archive.name}")
        raise StepFailed(f"swapped back, because {illness}; {self.copy.name} is still there")

    def guard(self) -> None:
        """Says no to a restore that would not come to its end.

        Raises:
            Refused: why, and what to do.
        """
        serving = self.server.serving
        if self.options.drop_old and (serving is None or not serving.open):
            raise Refused(f"{self.server.live} takes no connections: what was put aside may be all there is")
        if self.server.prepared:
            raise Refused(f"{self.server.live} has prepared transactions, and cannot be renamed: end them first")
        if self.copy is not None and not self.resumed:
            self.restore.guard(self.copy)

    def prove(self) -> None:
        """Shows that the database is there and takes connections, and that nothing stands half-way.

        Raises:
            NotRepaired: it is not so.
            MeasurementError: that cannot be told.
        """
        now = self.restore.machine().server
        half = [each.name for each in now.beside("restoring")]
        half += [each.name for each in now.beside("before") if each.mark.word == SWAPPED]
        if half and not self.options.drop_old:
            raise NotRepaired(f"still there: {', '.join(half)}")
        if not self.options.into and (now.serving is None or not now.serving.open):
            raise NotRepaired(f"{now.live} takes no connections")


@contextmanager
def undone(copy: RestoredDatabase) -> Iterator[None]:
    """Drops a new database where what is done with it fails.

    Raises:
        StepFailed: that, and what became of it.
    """
    try:
        yield
    except OpsproofError as error:
        try:
            copy.drop()
        except OpsproofError:
            raise StepFailed(f"{error}; {copy.name} may still be there, and goes with the next run") from error
        raise StepFailed(f"{error}; {copy.name} is dropped, and {copy.client.live} as it was") from error
