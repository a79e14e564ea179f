"""The proof: faults are broken in batches, and exactly the named checks must change.

The round under a batch also proves that the previous batch was healed. After an unexpected verdict the lab is healed, a
round finds leftovers of earlier faults, and then each fault of the batch is broken alone.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

from lab.fault import EVERYTHING, TIME, Fault
from tests.harness import timing
from tests.proof_matrix.matrix import Row
from tests.proving.batches import begins_series
from tests.proving.names import agree, agree_on_causes, bad, expected, named, names_of, surprising, without
from tests.proving.rounds import Rounds

Faults = Sequence[Fault[Any]]
RESETTING = {"pm2", "shop", EVERYTHING}
"""Touched by faults whose healing may reset counters of PM2 or systemd: it clears the history of restarts."""
AS_NAMED, SURPRISED = "as named", "surprised"


@dataclass
class Ground:
    """The lab broken by a proof, and how to restore the lab.

    `surroundings` removes traces of faults in logs and statistics; `recover` heals the lab if the healing of a
    fault failed.
    """

    name: str
    lab: Any
    surroundings: Callable[[Faults], AbstractContextManager[None]]
    recover: Callable[[], None]

    def settle(self) -> None:
        """Waits until the next round may judge."""
        self.lab.settling.wait()


@dataclass
class Proof:
    """Breaks batches of faults in sequence, and records the result of each fault."""

    ground: Ground
    rounds: Rounds
    order: list[list[Fault[Any]]]
    rows: list[Row] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    """Problem by broken fault; empty if exactly the named checks changed."""
    unhealed: list[str] = field(default_factory=list)
    healed: list[Fault[Any]] = field(default_factory=list)
    """The faults healed last, not yet followed by a round."""
    was_seen: bool = False
    """Whether a round completed while the last batch was broken."""

    def of(self, name: str) -> None:
        """Fails unless exactly the named checks changed while the fault `name` was broken."""
        if name not in self.problems:
            self._break(next(batch for batch in self.order if name in {fault.name for fault in batch}))
        assert not self.problems[name], self.problems[name]

    def finish(self) -> None:
        """Ends the last series; fails if any fault was not completely healed."""
        self._end_series()
        assert not self.unhealed, "; ".join(self.unhealed)

    def _break(self, batch: Faults) -> None:
        if begins_series(self.healed, batch):
            self._end_series()
        before, self.healed = self.healed, []
        began = time.monotonic()
        try:
            verdicts = self._verdicts(batch)
            self._judge(batch, before, verdicts)
        except Exception as surprise:  # noqa: BLE001  whatever it is, the fault behind it is named
            self._find_culprit(batch, before, str(surprise))
            return
        self.healed = list(batch)
        share_s = (time.monotonic() - began) / len(batch)
        for fault in batch:
            self._note(fault, verdicts, share_s, alone=len(batch) == 1)

    def _verdicts(self, batch: Faults) -> dict[str, str]:
        """Breaks the batch, runs a round, heals the batch; returns the round's verdicts."""
        self.was_seen = False
        with ExitStack() as broken:
            with timing.part("breaking"):
                broken.enter_context(self.ground.surroundings(batch))
                for fault in batch:
                    if TIME in fault.touches:
                        self.ground.settle()
                    broken.enter_context(fault.breaks(self.ground.lab))
                self.ground.settle()
            verdicts = self.rounds.run(next((fault.wrapper for fault in batch if fault.wrapper), ()))
            self.was_seen = True
            with timing.part("healing"):
                broken.close()
        if any(fault.touches & RESETTING for fault in batch):
            self.rounds.forget("restarts")
        return verdicts

    def _judge(self, batch: Faults, before: Faults, verdicts: dict[str, str]) -> None:
        names = _merged(*(fault.expected for fault in batch), *(fault.reported_once for fault in before))
        may = {name for fault in batch for name in fault.may_change}
        wanted = _merged(*(expected(fault.expected, verdicts) for fault in batch), _reported_once(before, verdicts))
        agree(surprising(verdicts, names, may), wanted, "broken", self.rounds.sentences)
        for fault in batch:
            if fault.causes is not None:
                agree_on_causes(fault, verdicts, self.rounds.causes)

    def _end_series(self) -> None:
        """Runs a healthy round with the verdicts reported once; if any, a second round must pass completely."""
        last, self.healed = self.healed, []
        if not last:
            return
        verdicts = self._round()
        found, reported_once = bad(verdicts), _reported_once(last, verdicts)
        if unreported := without(reported_once, found):
            self._accuse(_naming(unreported, last), f"did not report {unreported} in the next round")
        left = without(found, reported_once)
        if not left and reported_once:
            left = bad(self._round())
        if left:
            self._blame(last, left)
            self._recover()

    def _left(self, last: Faults) -> dict[str, str]:
        """Unexpected verdicts of a round on the healed lab, except verdicts reported once."""
        verdicts = self._round()
        return without(bad(verdicts), _reported_once(last, verdicts))

    def _round(self) -> dict[str, str]:
        self.ground.settle()
        return self.rounds.run()

    def _find_culprit(self, batch: Faults, before: Faults, surprise: str) -> None:
        """Reports leftovers of earlier faults, then breaks each fault of a larger batch alone.

        Verdicts reported once after healing are gone by then: if no other fault is guilty, the earlier faults are
        broken again.
        """
        if self.was_seen:
            self.rounds.forget_last()
        left = self._left([*before, *batch])  # without the last round, verdicts reported once are reported again
        of_others = bool(left and not _naming(left, batch))
        if of_others:
            self._blame(before or batch, left)
        self._recover()
        names = " + ".join(fault.name for fault in batch)
        if len(batch) == 1 and not of_others and not (of_others := self._leave_again(before)):
            self._note(batch[0], {}, 0.0, f"{names}: {surprise}", alone=True)
            return
        self.rows.append(Row(self.ground.name, names, {}, frozenset(), 0.0, SURPRISED, surprise, alone=False))
        for fault in batch:
            self._alone(fault)
        if not of_others and not any(self.problems[fault.name] for fault in batch):
            self._leave_again(before)

    def _leave_again(self, faults: Faults) -> bool:
        """Breaks each fault alone, although its test has passed; True if any changed unexpected checks."""
        known = len(self.unhealed)
        for fault in faults:
            count = len(self.unhealed)
            self._alone(fault)
            if self.problems[fault.name] and len(self.unhealed) == count:
                self.unhealed.append(self.problems[fault.name])
        return len(self.unhealed) > known

    def _alone(self, fault: Fault[Any]) -> None:
        began, verdicts = time.monotonic(), {}
        known = len(self.unhealed)
        try:
            verdicts = self._verdicts([fault])
            self._judge([fault], [], verdicts)
            self.healed = [fault]
            self._end_series()
            problem = "; ".join(self.unhealed[known:])
        except Exception as error:  # noqa: BLE001  the other faults of the batch are still to be broken
            problem = f"{fault.name}: {error}"
            self._recover()
        self._note(fault, verdicts, time.monotonic() - began, problem, alone=True)

    def _blame(self, faults: Faults, left: dict[str, str]) -> None:
        """Blames the faults that name the remaining verdicts, or all faults."""
        sentences = {test: self.rounds.sentences.get(test) for test in left}
        self._accuse(_naming(left, faults) or faults, f"left {left}: {sentences}")

    def _accuse(self, faults: Faults, of: str) -> None:
        """Records an unexpected effect of healing `faults`; their tests may have passed already."""
        names = [fault.name for fault in faults]
        problem = f"healing of {', '.join(names)} {of}"
        self.unhealed.append(problem)
        self.rows = [replace(row, outcome=SURPRISED, note=problem) if row.fault in names else row for row in self.rows]

    def _recover(self) -> None:
        self.ground.recover()
        self.rounds.forget("restarts")
        self._round()

    def _note(
        self, fault: Fault[Any], verdicts: dict[str, str], seconds: float, problem: str = "", *, alone: bool
    ) -> None:
        self.problems[fault.name] = problem
        found = bad(verdicts)
        names = names_of(fault)
        changed = found if alone else {test: verdict for test, verdict in found.items() if named(test, names)}
        outcome = SURPRISED if problem else AS_NAMED
        self.rows.append(
            Row(
                self.ground.name, fault.name, changed, frozenset(fault.expected), seconds, outcome, problem, alone=alone
            )
        )


def _naming(left: dict[str, str], faults: Faults) -> list[Fault[Any]]:
    """The faults that name any test in `left`."""
    return [fault for fault in faults if any(named(test, names_of(fault)) for test in left)]


def _merged(*verdicts: dict[str, str]) -> dict[str, str]:
    return {name: verdict for each in verdicts for name, verdict in each.items()}


def _reported_once(faults: Faults, verdicts: dict[str, str]) -> dict[str, str]:
    return _merged(*(expected(fault.reported_once, verdicts) for fault in faults))


def identity(fault: Fault[Any]) -> str:
    """The name of a fault in the name of its test."""
    return fault.name.replace(" ", "-")
