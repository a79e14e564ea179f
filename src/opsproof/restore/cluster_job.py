"""The steps of a pgBackRest restore, by the state of the host."""

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property

from opsproof.action import Step
from opsproof.core.errors import InventoryError, NotRepaired, OpsproofError, Refused, StepFailed
from opsproof.core.units import show
from opsproof.inventory.backups import Backup
from opsproof.inventory.resources import PATH
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
"""Seconds that stopping the processes and the cluster may take."""


class ClusterRestoreJob:
    """A restore: leftovers of earlier restores, the new directory, the swap."""

    def __init__(self, action: RestoreAction) -> None:
        self.action, self.options, self.work = action, action.options, action.work
        self.restore = ClusterRestore(action)
        self.backup: Backup = self.restore.backup
        self.data = self.backup.data
        self.prefix: str = self.options.into or self.data
        self.files = ClusterFiles(self.work, self.backup)
        self.cluster: Cluster = self.files.read_state(self.prefix)
        self.resumed = False
        if self.options.into:
            self._require_free(self.options.into)

    def _require_free(self, path: str) -> None:
        if not re.fullmatch(PATH, path) or path == self.data:
            raise InventoryError(f"--into: {path} must be the absolute path of a new directory")
        if self.files.read_state(path, path).state != "none":
            raise InventoryError(f"--into: {path} already exists")

    @cached_property
    def restored(self) -> RestoredCluster:
        """The new directory; the repository is queried on first use."""
        return self.restore.restored("restoring", self.prefix)

    def _beside(self, kind: Kind) -> list[SiblingDirectory]:
        """The siblings of the live directory or the --into directory."""
        return [each for each in self.cluster.beside(kind) if each.path.startswith(f"{self.prefix}_{kind}_")]

    def dropping(self) -> list[Step]:
        """Steps that remove directories kept by earlier restores; empty while a swap is incomplete."""
        return [] if self._interrupted_swap() else [self._dropping(each) for each in self._old()]

    def _old(self) -> list[SiblingDirectory]:
        tried = [each for each in self._beside("restoring") if each.mark.word == TRIED]
        return [each for each in (*self._beside("before"), *tried) if each.state == "down"]

    def _dropping(self, old: SiblingDirectory) -> Step:
        return removing(self.files, old.path, f" ({show(old.size_bytes, 'bytes')})" if old.size_bytes else "")

    def _interrupted_swap(self) -> ClusterMark | None:
        """The mark of a swap or rollback that was interrupted after the directories were swapped."""
        if self.cluster.mark.word in (SWAPPING, RETURNING):
            return self.cluster.mark
        lost = self.cluster.state == "none"
        found = [each.mark for each in self.cluster.siblings if each.mark.word == RETURNING]
        found += [each.mark for each in self.cluster.siblings if each.mark.word == SWAPPING and lost]
        return found[0] if found else None

    def finishing(self) -> list[Step]:
        """Steps that complete an interrupted swap or rollback, if any."""
        begun = self._interrupted_swap()
        if begun is None or self.options.into:
            return []
        self._require_commands()
        self.switch = switch.switch(self.work, self.action.client)
        if begun.word == RETURNING:
            title = f"roll back the interrupted restore of {begun.label}: rename the old cluster back"
            return [Step(f"{title}, start {_names('it', self.switch)}", lambda: self._put_back(begun))]
        title = f"complete the interrupted restore of {begun.label}: start {_names('it', self.switch)}"
        return [Step(title, lambda: self._complete_swap(begun)), *self._waiting(begun)]

    def restoring(self) -> list[Step]:
        """Steps that clean up after earlier restores, then restore; a verified copy of the same backup is reused."""
        fresh = self._resumable()
        if fresh is not None:
            self.resumed, self.restored.path = True, fresh.path
        made = [] if fresh else [Step(f"{self.restored.title}: {self.restored.estimate}", self._make)]
        check = [] if fresh else [Step("start a server there without archiving, check the catalogs", self._verify)]
        return [*self._cleaning_up(fresh), *made, *check, *(self._naming() if self.options.into else self._swapping())]

    def _wanted(self, word: str, path: str) -> ClusterMark:
        moment = self.restored.moment.shown if self.restored.moment else ""
        return ClusterMark(word, path.rpartition("_")[2], self.restored.made.label, moment)

    def _resumable(self) -> SiblingDirectory | None:
        ready = self._beside("restoring")
        found = [
            each for each in ready if each.mark in [self._wanted(word, each.path) for word in (VERIFIED, SWAPPING)]
        ]
        return found[-1] if found and not self.options.into else None

    def _cleaning_up(self, fresh: SiblingDirectory | None) -> list[Step]:
        left = [each for each in self._beside("restoring") if each is not fresh]
        steps = [removing(self.files, each.path, ", left by an earlier restore") for each in left]
        if fresh is None and any(each.mark.word == SWAPPING for each in left):
            self._require_commands()
            running = switch.switch(self.work, self.action.client)
            turns: list[Turn] = [
                ("always", self._detached(self.backup.start)),
                ("try", self._up()),
                *running.turns("start"),
            ]
            title = f"start {_names('the cluster', running)} after an interrupted swap"
            steps.insert(0, Step(title, lambda: self._do(turns, "the start")))
        return steps

    def _make(self) -> None:
        into = bool(self.options.into)
        fetching = f"--recovery-option=restore_command={self.files.fetching(self.options.into or self.data)}"
        with self._remove_on_failure():
            # A copy started elsewhere must not archive WAL into the repository of the live cluster.
            self.restored.make("--archive-mode", "off" if into else "preserve", fetching)

    def _verify(self) -> None:
        with self._remove_on_failure():
            self._recover()
            findings = self.restored.catalog_findings()
            if failure := findings.failure(self.restored.made.label):
                raise StepFailed(failure)
            self.files.do("close", self.restored.path, timeout_s=STOP_S)
        self.action.measured["restore_s"] = round(self.restored.restore_s, 2)
        if self.restored.commit:
            self.action.measured["last_commit"] = self.restored.commit
        self.files.do("mark", self.restored.path, str(self._wanted(VERIFIED, self.restored.path)))

    def _recover(self) -> None:
        """Recovers to the target time; without a target, also replays WAL archived during the restore."""
        if self.restored.moment:
            self.restored.recover(thrown_away=False)
        else:
            self.restored.follow()

    def _naming(self) -> list[Step]:
        def name() -> None:
            self.files.do("mark", self.restored.path, "")
            self.files.do("rename", self.restored.path, self.options.into)

        return [Step(f"rename to {self.options.into}; no server is started", name)]

    def _swapping(self) -> list[Step]:
        self._require_commands()
        self.switch = switch.switch(self.work, self.action.client)
        mark = self._wanted(SWAPPING, self.restored.path)
        exists = self.cluster.state != "none"
        old = f" (the old cluster is kept as {self._aside(mark)})" if exists else " (which does not exist)"
        title = f"stop {_names('the cluster', self.switch)}, rename {self.restored.path} to {self.data}{old}"
        return [Step(f"{title}, start again: {self._loss()}", lambda: self._swap(mark)), *self._waiting(mark)]

    def _loss(self) -> str:
        moment = self.restored.moment
        if moment is None:
            return "loses WAL that was not archived"
        return f"loses all commits after {moment.shown}, {self._ago(moment.seconds)} ago"

    def _ago(self, seconds: float) -> str:
        return show(self.restored.stanza.now - seconds, "seconds")

    def _require_commands(self) -> None:
        if not (self.backup.stop and self.backup.start):
            raise InventoryError(
                f"backups.{self.action.backup_name}: `stop` and `start` are missing: set both, or restore with --into"
            )

    def _aside(self, mark: ClusterMark) -> str:
        return f"{self.data}_before_{mark.stamp}"

    def _fresh(self, mark: ClusterMark) -> str:
        return f"{self.data}_restoring_{mark.stamp}"

    def _swap(self, mark: ClusterMark) -> None:
        """Stops, swaps and starts in one command on the host, so that a lost connection cannot interrupt."""
        fresh, aside = self._fresh(mark), self._aside(mark)
        turns: list[Turn] = [
            ("try", self.files.command("mark", fresh, str(mark))),
            *self._around(self.files.command("swap", self.data, fresh, aside)),
            ("try", self.files.command("mark", self.data, "")),
        ]
        try:
            self._do(turns, "the swap")
        except StepFailed as error:
            raise self._undo(mark, error) from error

    def _undo(self, mark: ClusterMark, error: StepFailed) -> StepFailed:
        """Rolls back to the old directory if the restored one is in place but the server does not start."""
        now = self.files.read_state(self.prefix)
        if now.mark != mark or self._aside(mark) not in [each.path for each in now.siblings]:
            return error
        self._put_back(mark)
        return StepFailed(f"{error}; rolled back to the old cluster")

    def _around(self, swap: Command) -> list[Turn]:
        stop: list[Turn] = [("try", command) for _, command in self.switch.turns("stop")]
        down: list[Turn] = [("try", self._detached(self.backup.stop)), ("try", self.files.command("down", self.data))]
        return [*stop, *down, ("try", swap), *self._starting()]

    def _starting(self) -> list[Turn]:
        return [("always", self._detached(self.backup.start)), ("always", self._up()), *self.switch.turns("start")]

    def _detached(self, words: list[str]) -> Command:
        """A command of the inventory, run by the login user."""
        command = self.files.command("detached", *words)
        return Command(command.argv, command.timeout_s)

    def _up(self) -> Command:
        return self.files.command("up", self.data, f"{self.options.up:g}")

    def _complete_swap(self, mark: ClusterMark) -> None:
        fresh, aside = self._fresh(mark), self._aside(mark)
        exists = self.cluster.state != "none"
        place = ("rename", fresh, aside) if exists else ("rename", fresh, self.data)
        turns = [
            ("try", self.files.command(*place)),
            *self._starting(),
            ("try", self.files.command("mark", self.data, "")),
        ]
        self._do(turns, "completing the swap")

    def _put_back(self, mark: ClusterMark) -> None:
        """Puts back the old directory; also completes an interrupted rollback."""
        fresh, aside = self._fresh(mark), self._aside(mark)
        returning = ClusterMark(RETURNING, mark.stamp, mark.label, mark.moment)
        tried = ClusterMark(TRIED, mark.stamp, mark.label, mark.moment)
        now = self.files.read_state(self.prefix)
        if now.mark.stamp == mark.stamp:
            swap = self._around(self.files.command("swap", self.data, aside, fresh))
            turns: list[Turn] = [("try", self.files.command("mark", self.data, str(returning))), *swap]
        else:
            place = (aside, self.data) if now.state == "none" else (aside, fresh)
            turns = [("try", self.files.command("rename", *place)), *self._starting()]
        self._do([*turns, ("try", self.files.command("mark", fresh, str(tried)))], "the rollback")

    def _do(self, turns: list[Turn], name: str) -> None:
        self.work.do(in_turn(turns, secrets.token_hex(8), STOP_S + self.options.up), name)

    def _waiting(self, mark: ClusterMark) -> list[Step]:
        """A step that waits for the health endpoints, else rolls back; empty without endpoints or --wait."""
        if not self.switch.down or not self.options.wait:
            return []
        names = ", ".join(self.switch.down)
        title = (
            f"wait up to {self.options.wait:g} s for healthy answers from {names}, else roll back to the old cluster"
        )
        return [Step(title, lambda: self._await_health(mark))]

    def _await_health(self, mark: ClusterMark) -> None:
        if not (health_failure := self.switch.health_failure(self.options.wait)):
            return
        if self._aside(mark) not in [each.path for each in self.files.read_state(self.prefix).siblings]:
            raise NotRepaired(f"the platform is not healthy: {health_failure}")
        self.files.do("mark", self.data, str(mark))
        self._put_back(mark)
        raise StepFailed(f"rolled back to the old cluster, because {health_failure}; {self._fresh(mark)} is kept")

    def guard(self) -> None:
        """Refuses a restore that cannot complete, and --drop-old while the live cluster is not ready.

        Raises:
            Refused: the reason, and what to do.
        """
        if self.options.drop_old:
            self._require_serving()
            return
        if self.cluster.tablespaces and not self.options.into:
            raise Refused(f"{self.data} has tablespaces, which the swap cannot move: use --into and move them by hand")
        if not self.resumed and not self._interrupted_swap():
            self._require_undamaged()
            self.restored.guard()

    def _require_serving(self) -> None:
        if self.cluster.state != "ready":
            raise Refused(f"{self.data} is {self.cluster.state}: the old directories may hold the only data, keep them")

    def _require_undamaged(self) -> None:
        made = self.restored.made
        if made.damaged and not self.options.set:
            raise Refused(f"{'; '.join(self.restored.stanza.flaws(made))}: choose a set with --set")

    def prove(self) -> None:
        """Shows that the cluster is ready, or the --into directory exists, and that no swap is incomplete.

        Raises:
            NotRepaired: the cluster is not ready, or leftovers remain.
            MeasurementError: the directories cannot be read.
        """
        now = self.files.read_state(self.prefix, self.options.into or self.data)
        gone = [each.path for each in self._old()] if self.options.drop_old else []
        left = [
            each.path
            for each in now.siblings
            if each.path in gone or (each.kind == "restoring" and each.mark.word != TRIED and not self.options.drop_old)
        ]
        if left:
            raise NotRepaired(f"leftover directories remain: {', '.join(left)}")
        if now.mark.word or now.state != ("down" if self.options.into else "ready"):
            raise NotRepaired(f"{self.options.into or self.data} is {now.state} {now.mark}".rstrip())

    @contextmanager
    def _remove_on_failure(self) -> Iterator[None]:
        """Removes the new directory if the body fails, and raises StepFailed."""
        try:
            yield
        except OpsproofError as error:
            try:
                self.restored.remove()
            except OpsproofError:
                raise StepFailed(f"{error}; {self.restored.path} may still exist") from error
            raise StepFailed(f"{error}; {self.restored.path} was removed, {self.data} is unchanged") from error


def _names(cluster: str, stopped: switch.Switch) -> str:
    return " and ".join([cluster, *stopped.processes])
