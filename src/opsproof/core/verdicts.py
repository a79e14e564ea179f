"""The verdicts of a run, for reports and for transfer between processes."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from opsproof.core import effects
from opsproof.core.limits import Measurement

ORDER = ("failed", "unknown", "warned", "waived", "passed")
"""Verdicts, the worst first."""


@dataclass(frozen=True)
class Sample:
    """A counter's value, stored for later runs; times in seconds since 1970."""

    metric: str
    value: float
    born: float
    taken: float


@dataclass(frozen=True)
class Evidence:
    """Details shown with a verdict: a title and lines."""

    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Remedy:
    """A command that repairs or examines a finding. An empty command means no remedy.

    `host` is the host to run the command on, empty for the machine with opsproof. `effect` is a warning.
    """

    host: str = ""
    command: str = ""
    effect: str = ""

    def __bool__(self) -> bool:
        return bool(self.command)

    def __str__(self) -> str:
        place = f"on {self.host}: " if self.host else ""
        return f"{place}{self.command}" + (f"  # {self.effect}" if self.effect else "")

    @property
    def kind(self) -> str:
        """The effect of the command: ``looks``, ``changes``, or ``locks`` (changes, and makes sessions wait)."""
        found = effects.kind(self.command)
        return "changes" if found == "looks" and self.effect else found


@dataclass
class Verdict:
    """The result of a check of a host.

    `test` is the name of the check with its parameter, `resource` the parameter without the host, `sentence` the
    result in one line, `advice` why the result matters, and `remedy` the command that repairs the finding.
    `subject` is the folder of the check; a failure of the tests in `causes` explains this result.
    `owner` is the person or team to ask, `see` has links to read, `acknowledged` says who works on it until when.
    `repaired_with` holds the last words of `remedy`, `repaired_by` replaces all words.
    `unknown_since` is the time from which on a check was unknown, if the check failed for that reason.
    """

    test: str
    host: str
    resource: str
    verdict: str = "passed"
    sentence: str = ""
    unknown_since: float | None = None
    advice: str = ""
    subject: str = ""
    causes: list[str] = field(default_factory=list)
    remedy: Remedy = field(default_factory=Remedy)
    owner: str = ""
    see: list[str] = field(default_factory=list)
    acknowledged: str = ""
    repaired_with: list[str] = field(default_factory=list)
    repaired_by: tuple[str, ...] = ()
    measurements: list[Measurement] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)

    @property
    def check(self) -> str:
        """The name of the check."""
        return self.test.partition("[")[0]

    def to_plain(self) -> dict[str, Any]:
        """This verdict as built-in types."""
        return asdict(self)


def from_plain(plain: dict[str, Any]) -> Verdict:
    """The verdict from the result of `Verdict.to_plain`."""
    verdict = Verdict(**plain)
    verdict.remedy = Remedy(**plain["remedy"])
    verdict.measurements = [Measurement(**each) for each in plain["measurements"]]
    verdict.evidence = [Evidence(**each) for each in plain["evidence"]]
    verdict.samples = [Sample(**each) for each in plain["samples"]]
    return verdict


def tally(verdicts: Iterable[Verdict]) -> dict[str, int]:
    """The number of verdicts of each kind, the worst first."""
    counts = dict.fromkeys(ORDER, 0)
    for each in verdicts:
        counts[each.verdict] += 1
    return counts


def worst(verdicts: Iterable[str]) -> str:
    """The worst of some verdicts; passed without any."""
    return min(verdicts, key=ORDER.index, default="passed")
