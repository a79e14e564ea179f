"""What a run says of each check, in a form that travels between processes and into reports."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from opsproof.core.limits import Measurement

ORDER = ("failed", "unknown", "warned", "waived", "passed")
"""Verdicts, the worst first."""


@dataclass(frozen=True)
class Sample:
    """A counter's reading, for later runs to compare with; times in seconds since 1970."""

    metric: str
    value: float
    born: float
    taken: float


@dataclass(frozen=True)
class Evidence:
    """What a reader wants to see beside a verdict: a title and lines."""

    title: str
    lines: tuple[str, ...]


@dataclass
class Verdict:
    """One check of one host, and what it found.

    `test` is the check with its parameter, `resource` the parameter without the host, `sentence` what
    was found in one line, `advice` why it matters, `remedy` the command that repairs it, with the words
    `repaired_with` at its end.
    """

    test: str
    host: str
    resource: str
    verdict: str = "passed"
    sentence: str = ""
    advice: str = ""
    remedy: str = ""
    repaired_with: list[str] = field(default_factory=list)
    measurements: list[Measurement] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)

    def to_plain(self) -> dict[str, Any]:
        """This verdict in built-in types."""
        return asdict(self)


def from_plain(plain: dict[str, Any]) -> Verdict:
    """The verdict that `Verdict.to_plain` gave."""
    verdict = Verdict(**plain)
    verdict.measurements = [Measurement(**each) for each in plain["measurements"]]
    verdict.evidence = [Evidence(**each) for each in plain["evidence"]]
    verdict.samples = [Sample(**each) for each in plain["samples"]]
    return verdict


def tally(verdicts: Iterable[Verdict]) -> dict[str, int]:
    """How many verdicts there are of each kind, the worst first."""
    counts = dict.fromkeys(ORDER, 0)
    for each in verdicts:
        counts[each.verdict] += 1
    return counts


def findings(verdicts: Iterable[Verdict]) -> list[list[Verdict]]:
    """What is not good, the worst first; checks of a host that found the same stand together."""
    groups: dict[tuple[str, str, str], list[Verdict]] = {}
    for each in verdicts:
        if each.verdict != "passed":
            groups.setdefault((each.verdict, each.host, each.sentence), []).append(each)
    return sorted(groups.values(), key=lambda group: ORDER.index(group[0].verdict))
