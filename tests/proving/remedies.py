"""Executes the remedies of findings as printed, in place of the healing of the fault.

After a remedy that changes something, the finding must be gone. A remedy that only looks must end with 0 and show the
broken object, which the fault names; on the healthy lab, the same command must not show it.
"""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from lab.fault import Fault
from opsproof.core import effects
from tests.proving.names import agree, bad, check, expected, named
from tests.proving.proof import Ground
from tests.proving.rounds import Rounds
from tests.proving.terminal import Ran

PATIENCE_S = 15.0
"""How long a finding may remain after its remedy: a restarted process counts as settled later."""
_PLACE = re.compile(r"on \S+: ")
_ASKS = re.compile(
    r"^(?:sudo )?(?:ls|curl) |; do echo .*; curl |PGCONNECT_TIMEOUT=|\bredis-cli\b.* ping$|rabbitmq-diagnostics status$"
)
"""Commands that ask the broken thing itself: its error message is the answer, so the exit status may be another one."""
Run = Callable[["Remedy", Sequence[str]], Ran]
"""Runs a remedy where it is to be run, behind the words of a fault's wrapper."""


@dataclass(frozen=True)
class Remedy:
    """The remedy of a finding, as the report shows it."""

    test: str
    text: str

    @property
    def command(self) -> str:
        """The text without the host in front."""
        return _PLACE.sub("", self.text, count=1) if _PLACE.match(self.text) else self.text

    @property
    def is_remote(self) -> bool:
        """Whether the command is to be run on the host."""
        return bool(_PLACE.match(self.text))

    @property
    def changes(self) -> bool:
        """Whether the command changes something; else it only looks."""
        return effects.changes(self.command)


@dataclass(frozen=True)
class Tried:
    """A remedy of a fault, how it ended, and what is wrong with it; or why it was not judged."""

    fault: str
    remedy: Remedy
    ran: Ran | None
    problem: str = ""
    reason: str = ""


class Unseen(AssertionError):
    """The round shows no remedy of a named finding."""


@dataclass(frozen=True)
class Excuses:
    """Reasons by a pattern for "fault: test: command"."""

    not_run: Mapping[str, str] = field(default_factory=dict)
    """Commands that cannot be executed in the lab."""
    not_judged: Mapping[str, str] = field(default_factory=dict)
    """Commands that must end with 0, but whose effect cannot be seen in the lab."""


@dataclass
class Trial:
    """Breaks faults, and executes each of their remedies."""

    ground: Ground
    rounds: Rounds
    run: Run
    excuses: Excuses = field(default_factory=Excuses)
    patience_s: float = PATIENCE_S
    tried: list[Tried] = field(default_factory=list)

    def of(self, fault: Fault[Any]) -> None:
        """Fails unless every remedy that the fault prints is good; a slow round may miss a fault of seconds once."""
        try:
            found = self._try(fault)
        except Unseen:
            found = self._try(fault)
        self.tried += found
        wrong = [f"{each.remedy.test}: {each.remedy.text}\n  {each.problem}" for each in found if each.problem]
        assert not wrong, "\n".join([f"{fault.name}: {len(wrong)} of {len(found)} remedies are wrong", *wrong])

    def require_healthy(self) -> None:
        """Fails unless every check passes again, in the second round after all remedies."""
        self.rounds.forget("restarts")
        for _ in range(2):
            self.ground.settle()
            verdicts = self.rounds.run()
        agree(bad(verdicts), {}, "after all remedies", self.rounds.sentences)

    def _try(self, fault: Fault[Any]) -> list[Tried]:
        with self._broken(fault):
            remedies = self._remedies(fault)
            skipped = {each: reason for each in remedies if (reason := _reason(self.excuses.not_run, fault, each))}
            looks = [each for each in remedies if not each.changes and each not in skipped]
            looked = [(each, self._run(each, fault)) for each in looks]
            changes = [each for each in remedies if each.changes and each not in skipped]
            found = [self._change(fault, each) for each in changes[:1]]
        found += [self._change_again(fault, each) for each in changes[1:]]
        found += [self._judge_look(fault, each, ran) for each, ran in looked]
        return found + [Tried(fault.name, each, None, reason=reason) for each, reason in skipped.items()]

    @contextmanager
    def _broken(self, fault: Fault[Any]) -> Iterator[None]:
        """The fault may already be healed by a remedy; then its own healing may fail, and the lab must be healthy."""
        with self.ground.surroundings([fault]):
            breaking = fault.breaks(self.ground.lab)
            breaking.__enter__()
            try:
                self.ground.settle()
                yield
            finally:
                try:
                    breaking.__exit__(None, None, None)
                except Exception:  # noqa: BLE001  what a remedy has healed cannot be healed again
                    self.ground.recover()

    def _remedies(self, fault: Fault[Any]) -> list[Remedy]:
        """The remedies of the named findings, each command once, with a test that is judged, if any."""
        verdicts, printed = self._round(fault), self.rounds.remedies
        wanted = [test for test, verdict in expected(fault.expected, verdicts).items() if verdict != "unknown"]
        lacking = [test for test in wanted if not printed.get(test)]
        if lacking:
            raise Unseen(f"{fault.name}: findings without a remedy: {lacking}; verdicts: {bad(verdicts)}")
        found = [Remedy(test, printed[test]) for test in wanted]
        found.sort(key=lambda each: bool(self._reason(fault, each)))
        return list({each.text: each for each in reversed(found)}.values())[::-1]

    def _round(self, fault: Fault[Any]) -> dict[str, str]:
        return self.rounds.only([check(name) for name in fault.expected], fault.wrapper)

    def _run(self, remedy: Remedy, fault: Fault[Any]) -> Ran:
        return self.run(remedy, fault.wrapper)

    def _change_again(self, fault: Fault[Any], remedy: Remedy) -> Tried:
        with self._broken(fault):
            self._round(fault)
            return self._change(fault, remedy)

    def _change(self, fault: Fault[Any], remedy: Remedy) -> Tried:
        """All findings with this remedy must be gone after the command."""
        printed = {test: text for test, text in self.rounds.remedies.items() if text == remedy.text}
        judged = {test for test, text in printed.items() if not self._reason(fault, Remedy(test, text))}
        ran = self._run(remedy, fault)
        left = {} if ran.problem else self._left(fault, judged)
        problem = f"the finding remains: {left}" if left else ""
        return Tried(fault.name, remedy, ran, ran.problem or problem, "" if judged else self._reason(fault, remedy))

    def _left(self, fault: Fault[Any], tests: set[str]) -> dict[str, str]:
        until = time.monotonic() + self.patience_s
        while True:
            self.ground.settle()
            left = {test: verdict for test, verdict in bad(self._round(fault)).items() if test in tests}
            if not left or time.monotonic() > until:
                return left
            time.sleep(1)

    def _judge_look(self, fault: Fault[Any], remedy: Remedy, ran: Ran) -> Tried:
        reason, shows = self._reason(fault, remedy), named(remedy.test, fault.shows)
        if reason:
            return Tried(fault.name, remedy, ran, ran.problem, reason)
        if not shows:
            return Tried(fault.name, remedy, ran, ran.problem or f"the fault names nothing to see in:\n{ran.output}")
        pattern = re.compile(fault.shows[shows], re.MULTILINE)
        is_seen = bool(pattern.search(ran.output))
        if ran.problem and not (is_seen and ran.status and _ASKS.search(remedy.command)):
            return Tried(fault.name, remedy, ran, ran.problem)
        if not is_seen:
            return Tried(fault.name, remedy, ran, f"shows no {pattern.pattern}:\n{ran.output}")
        self.ground.settle()
        seen = self._seen_when_healthy(remedy, pattern)
        problem = f"shows {pattern.pattern} on the healthy lab too: {seen[0]}" if seen else ""
        return Tried(fault.name, remedy, ran, problem)

    def _seen_when_healthy(self, remedy: Remedy, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """What the command still shows; a job that runs for a moment on the healthy lab is over soon."""
        until = time.monotonic() + self.patience_s
        while (seen := pattern.search(self.run(remedy, ()).output)) and time.monotonic() < until:
            time.sleep(1)
        return seen

    def _reason(self, fault: Fault[Any], remedy: Remedy) -> str:
        return _reason(self.excuses.not_judged, fault, remedy)


def summary(trial: Trial) -> str:
    """How many remedies are good, and how many are excused, by reason."""
    good = [each for each in trial.tried if not each.problem]
    excused = Counter(each.reason for each in trial.tried if each.reason)
    head = f"remedies of the {trial.ground.name} lab: {len(good)} of {len(trial.tried)}, {excused.total()} excused"
    return "\n".join([head, *(f"{count:>4}  {reason}" for reason, count in excused.most_common())])


def prints(fault: Fault[Any]) -> bool:
    """Whether the fault names a finding with a remedy."""
    return bool({"failed", "warned"} & set(fault.expected.values()))


def _reason(reasons: Mapping[str, str], fault: Fault[Any], remedy: Remedy) -> str:
    text = f"{fault.name}: {remedy.test}: {remedy.text}"
    return next((reason for pattern, reason in reasons.items() if re.search(pattern, text)), "")
