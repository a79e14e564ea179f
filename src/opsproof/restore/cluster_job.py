"""What a restore with pgBackRest does with a host as it finds it, step by step."""

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property

from opsproof.action import Step
from opsproof.core.errors import InventoryError, NotRepaired, OpsproofError, Refused, StepFailed
from opsproof.core.units import show
from opsproof.inventory.resources import PATH, Backup
from opsproof.restore import switch
from opsproof.restore.base import RestoreAction
from opsproof.restore.cluster import (
    RETURNING,
    SWAPPING,
    TRIED,
    VERIFIED,
    Cluster,
    ClusterFiles,
    ClusterMark,
    Kind,
    SiblingDirectory,
)
from opsproof.restore.cluster_restore import ClusterRestore
from opsproof.restore.restored import RestoredCluster, removing
from opsproof.restore.server import in_turn
from opsproof.restore.switch import Turn
from opsproof.transport.shell import Command

STOP_S = 600.0
"""How long stopping processes and a cluster may take."""


class ClusterRestoreJob:
    """One restore: what is left of others, the new directory, the swap."""

    def __init__(self, action: RestoreAction) -> None:
        self.action, self.options, self.work = action, action.options, action.work
        self.restore = ClusterRestore(action)
        self.backup: Backup = self.restore.backup
        self.data = self.backup.data
        self.prefix: str = self.options.into or self.data
        self.keeper = ClusterFiles(self.work, self.backup)
        self.cluster: Cluster = self.keeper.look(self.prefix)
        self.resumed = False
        if self.options.into:
            self._require_free(self.options.into)

    def _require_free(self, path: str) -> None:
        if not re.fullmatch(PATH, path) or path == self.data:
            raise InventoryError(f"--into: {path} is no path of another directory")
        if self.keeper.look(path, path).state != "none":
            raise InventoryError(f"--into: {path} is there already")

    @cached_property
    def restored(self) -> RestoredCluster:
        """The new directory; what it needs of the repository is asked when it is needed."""
        return self.restore.restored("restoring", self.prefix)

    def _beside(self, kind: Kind) -> list[SiblingDirectory]:
        """Those beside the one that this restore is to make or replace: no others are touched."""
        return [each for each in self.cluster.beside(kind) if each.path.startswith(f"{self.prefix}_{kind}_")]

    def dropping(self) -> list[Step]:
        """Removes what earlier restores have put aside; not while a swap has not come to its end."""
        return [] if self._begun() else [self._dropping(each) for each in self._old()]

    def _old(self) -> list[SiblingDirectory]:
        tried = [each for each in self._beside("restoring") if each.mark.word == TRIED]
        return [each for each in (*self._beside("before"), *tried) if each.state == "down"]

    def _dropping(self, old: SiblingDirectory) -> Step:
        return removing(self.keeper, old.path, f" ({show(old.size_bytes, 'bytes')})" if old.size_bytes else "")

    def _begun(self) -> ClusterMark | None:
        """The mark of a swap that was interrupted once the directories had been swapped, there or back."""
        if self.cluster.mark.word in (SWAPPING, RETURNING):
            return self.cluster.mark
        lost = self.cluster.state == "none"
        found = [each.mark for each in self.cluster.others if each.mark.word == RETURNING]
        found += [each.mark for each in self.cluster.others if each.mark.word == SWAPPING and lost]
        return found[0] if found else None

    def finishing(self) -> list[Step]:
        """Finishes a swap that was interrupted, or its way back; nothing else is done then."""
        begun = self._begun()
        if begun is None or self.options.into:
            return []
        self._require_commands()
        self.switch = switch.switch(self.work, self.action.client)
        if begun.word == RETURNING:
            title = f"put back what served before the restore of {begun.label}: that was interrupted"
            return [Step(f"{title}; start {_all('it', self.switch)}", lambda: self._back(begun))]
        title = f"finish the restore of {begun.label}, which was interrupted: start {_all('it', self.switch)}"
        return [Step(title, lambda: self._forth(begun)), *self._waiting(begun)]

    def restoring(self) -> list[Step]:
        """Takes back what was begun and is not wanted any more, and restores; or goes on where it was interrupted."""
        fresh = self._resumable()
        if fresh is not None:
            self.resumed, self.restored.path = True, fresh.path
        made = [] if fresh else [Step(f"{self.restored.title}: {self.restored.outlook}", self._make)]
        look = [] if fresh else [Step("start a server on it that archives nothing, look at its catalogs", self._verify)]
        return [*self._taking_back(fresh), *made, *look, *(self._naming() if self.options.into else self._swapping())]

    def _wanted(self, word: str, path: str) -> ClusterMark:
        moment = self.restored.moment.shown if self.restored.moment else ""
        return ClusterMark(word, path.rpartition("_")[2], self.restored.made.label, moment)

    def _resumable(self) -> SiblingDirectory | None:
        ready = self._beside("restoring")
        found = [
            each for each in ready if each.mark in [self._wanted(word, each.path) for word in (VERIFIED, SWAPPING)]
        ]
        return found[-1] if found and not self.options.into else None

    def _taking_back(self, fresh: SiblingDirectory | None) -> list[Step]:
        left = [each for each in self._beside("restoring") if each is not fresh]
        steps = [removing(self.keeper, each.path, ", left of an earlier restore") for each in left]
        if fresh is None and any(each.mark.word == SWAPPING for each in left):
            self._require_commands()
            running = switch.switch(self.work, self.action.client)
            turns: list[Turn] = [
                ("always", self._detached(self.backup.start)),
                ("try", self._up()),
                *running.turns("start"),
            ]
            title = f"start {_all('the cluster', running)}: a swap was interrupted"
            steps.insert(0, Step(title, lambda: self._do(turns, "the start")))
        return steps

    def _make(self) -> None:
        into = bool(self.options.into)
        fetching = f"--recovery-option=restore_command={self.keeper.fetching(self.options.into or self.data)}"
        with self._undone():
            # A copy that somebody starts elsewhere must not write into the archive of the one that serves.
            self.restored.make("--archive-mode", "off" if into else "preserve", fetching)

    def _verify(self) -> None:
        with self._undone():
            self._recover()
            findings = self.restored.glance()
            if findings.flaws:
                raise StepFailed(f"{self.restored.made.label} is not good: {'; '.join(findings.flaws)}")
            self.keeper.do("close", self.restored.path, timeout_s=STOP_S)
        self.action.measured["restore_s"] = round(self.restored.restore_s, 2)
        if self.restored.commit:
            self.action.measured["last_commit"] = self.restored.commit
        self.keeper.do("mark", self.restored.path, str(self._wanted(VERIFIED, self.restored.path)))

    def _recover(self) -> None:
        """To a moment, what is looked at is what then serves; to the end, what is archived meanwhile is to come too."""
        if self.restored.moment:
            self.restored.recover(thrown_away=False)
        else:
            self.restored.follow()

    def _naming(self) -> list[Step]:
        def name() -> None:
            self.keeper.do("mark", self.restored.path, "")
            self.keeper.do("rename", self.restored.path, self.options.into)

        return [Step(f"call it {self.options.into}, where no server runs on it", name)]

    def _swapping(self) -> list[Step]:
        self._require_commands()
        self.switch = switch.switch(self.work, self.action.client)
        mark = self._wanted(SWAPPING, self.restored.path)
        there = self.cluster.state != "none"
        old = f", which stays as {self._aside(mark)}" if there else ", which is gone"
        title = f"stop {_all('the cluster', self.switch)}, put {self.restored.path} in the place of {self.data}{old}"
        return [Step(f"{title}, start again: {self._loss()}", lambda: self._swap(mark)), *self._waiting(mark)]

    def _loss(self) -> str:
        moment = self.restored.moment
        if moment is None:
            return "what is in no archived log is lost"
        return f"all that was committed after {moment.shown}, {self._ago(moment.seconds)} ago, is lost"

    def _ago(self, seconds: float) -> str:
        return show(self.restored.stanza.now - seconds, "seconds")

    def _require_commands(self) -> None:
        if not (self.backup.stop and self.backup.start):
            raise InventoryError(
                f"backups.{self.action.backup_name}: stop and start are missing: or restore with --into"
            )

    def _aside(self, mark: ClusterMark) -> str:
        return f"{self.data}_before_{mark.stamp}"

    def _fresh(self, mark: ClusterMark) -> str:
        return f"{self.data}_restoring_{mark.stamp}"

    def _swap(self, mark: ClusterMark) -> None:
        """Stopping, swapping and starting are one command on the host: nothing that is lost comes in between."""
        fresh, aside = self._fresh(mark), self._aside(mark)
        turns: list[Turn] = [
            ("try", self.keeper.command("mark", fresh, str(mark))),
            *self._around(self.keeper.command("swap", self.data, fresh, aside)),
            ("try", self.keeper.command("mark", self.data, "")),
        ]
        try:
            self._do(turns, "the swap")
        except StepFailed as error:
            raise self._undo(mark, error) from error

    def _undo(self, mark: ClusterMark, error: StepFailed) -> StepFailed:
        """Puts back what served before, where the restored cluster has its place and does not serve."""
        now = self.keeper.look(self.prefix)
        if now.mark != mark or self._aside(mark) not in [each.path for each in now.others]:
            return error
        self._back(mark)
        return StepFailed(f"{error}; what served before serves again")

    def _around(self, swap: Command) -> list[Turn]:
        stop: list[Turn] = [("try", command) for _, command in self.switch.turns("stop")]
        down: list[Turn] = [("try", self._detached(self.backup.stop)), ("try", self.keeper.command("down", self.data))]
        return [*stop, *down, ("try", swap), *self._starting()]

    def _starting(self) -> list[Turn]:
        return [("always", self._detached(self.backup.start)), ("always", self._up()), *self.switch.turns("start")]

    def _detached(self, words: list[str]) -> Command:
        """A command of the inventory, as the login user runs it."""
        command = self.keeper.command("detached", *words)
        return Command(command.argv, command.timeout_s)

    def _up(self) -> Command:
        return self.keeper.command("up", self.data, f"{self.options.up:g}")

    def _forth(self, mark: ClusterMark) -> None:
        fresh, aside = self._fresh(mark), self._aside(mark)
        there = self.cluster.state != "none"
        place = ("rename", fresh, aside) if there else ("rename", fresh, self.data)
        turns = [
            ("try", self.keeper.command(*place)),
            *self._starting(),
            ("try", self.keeper.command("mark", self.data, "")),
        ]
        self._do(turns, "the end of the swap")

    def _back(self, mark: ClusterMark) -> None:
        """Puts back what served before; also where that was interrupted."""
        fresh, aside = self._fresh(mark), self._aside(mark)
        returning = ClusterMark(RETURNING, mark.stamp, mark.label, mark.moment)
        tried = ClusterMark(TRIED, mark.stamp, mark.label, mark.moment)
        now = self.keeper.look(self.prefix)
        if now.mark.stamp == mark.stamp:
            swap = self._around(self.keeper.command("swap", self.data, aside, fresh))
            turns: list[Turn] = [("try", self.keeper.command("mark", self.data, str(returning))), *swap]
        else:
            place = (aside, self.data) if now.state == "none" else (aside, fresh)
            turns = [("try", self.keeper.command("rename", *place)), *self._starting()]
        self._do([*turns, ("try", self.keeper.command("mark", fresh, str(tried)))], "the way back")

    def _do(self, turns: list[Turn], what: str) -> None:
        self.work.do(in_turn(turns, secrets.token_hex(8), STOP_S + self.options.up), what)

    def _waiting(self, mark: ClusterMark) -> list[Step]:
        """Waits for health where something says it; where it does not come, what was put aside serves again."""
        if not self.switch.down or not self.options.wait:
            return []
        names = ", ".join(self.switch.down)
        title = f"wait {self.options.wait:g} s for {names}, and put back what served before unless it comes"
        return [Step(title, lambda: self._await_health(mark))]

    def _await_health(self, mark: ClusterMark) -> None:
        if not (illness := self.switch.illness(self.options.wait)):
            return
        if self._aside(mark) not in [each.path for each in self.keeper.look(self.prefix).others]:
            raise NotRepaired(f"the platform is not healthy: {illness}")
        self.keeper.do("mark", self.data, str(mark))
        self._back(mark)
        raise StepFailed(f"put back what served before, because {illness}; {self._fresh(mark)} is still there")

    def guard(self) -> None:
        """Says no to a restore that would not come to its end.

        Raises:
            Refused: why, and what to do.
        """
        if self.options.drop_old:
            self._require_serving()
            return
        if self.cluster.tablespaces and not self.options.into:
            raise Refused(
                f"{self.data} has tablespaces, which a swap does not move: restore with --into, and move by hand"
            )
        if not self.resumed and not self._begun():
            self._require_undamaged()
            self.restored.guard()

    def _require_serving(self) -> None:
        if self.cluster.state != "ready":
            raise Refused(f"{self.data} is {self.cluster.state}: what was put aside may be all there is")

    def _require_undamaged(self) -> None:
        made = self.restored.made
        if made.damaged and not self.options.set:
            raise Refused(f"{'; '.join(self.restored.stanza.flaws(made))}: --set takes it, or an older one")

    def prove(self) -> None:
        """Shows that the cluster serves, or that the directory is there, and that nothing stands half-way.

        Raises:
            NotRepaired: it is not so.
            MeasurementError: that cannot be told.
        """
        now = self.keeper.look(self.prefix, self.options.into or self.data)
        gone = [each.path for each in self._old()] if self.options.drop_old else []
        left = [
            each.path
            for each in now.others
            if each.path in gone or (each.kind == "restoring" and each.mark.word != TRIED and not self.options.drop_old)
        ]
        if left:
            raise NotRepaired(f"still there: {', '.join(left)}")
        if now.mark.word or now.state != ("down" if self.options.into else "ready"):
            raise NotRepaired(f"{self.options.into or self.data} is {now.state} {now.mark}".rstrip())

    @contextmanager
    def _undone(self) -> Iterator[None]:
        """Removes the new directory where what is done with it fails; raises a StepFailed that says so."""
        try:
            yield
        except OpsproofError as error:
            try:
                self.restored.remove()
            except OpsproofError:
                raise StepFailed(f"{error}; {self.restored.path} may still be there") from error
            raise StepFailed(f"{error}; {self.restored.path} is removed, and {self.data} as it was") from error


def _all(cluster: str, others: switch.Switch) -> str:
    return " and ".join([cluster, *others.processes])
