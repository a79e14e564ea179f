"""The content of the page: findings with their drawings and past, all checks, and what changed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from opsproof.core.limits import Measurement
from opsproof.core.units import show, show_moment
from opsproof.core.verdicts import ORDER, Verdict
from opsproof.history.past import Earlier, PastRun
from opsproof.history.store import Streak
from opsproof.round.grouping import Finding
from opsproof.round.report.drawing import Bar, Sparkline, bar, sparkline
from opsproof.round.report.table import CheckRows, row_id

MOST_FINDINGS = 200
"""So many findings are shown with evidence and command, the others as a line."""
MOST_HOSTS = 20
"""So many hosts of a finding are shown with evidence and command, the others as a line."""
_BAD = ("failed", "unknown")

Past = Mapping[tuple[str, str], Sequence[PastRun]]


@dataclass(frozen=True)
class ShownFinding:
    """A finding as the page shows it; `others` are the same on further hosts, `full` of them with their commands.

    `linked` tells whether the row of the verdict is in the page.
    """

    cause: Verdict
    consequences: Sequence[Verdict]
    others: Sequence[Verdict]
    where: str
    since: str
    bar: Bar | None
    sparkline: Sparkline | None
    linked: bool
    full: int = MOST_HOSTS

    @property
    def anchor(self) -> str:
        """The anchor of the row of the cause."""
        return row_id(self.cause)

    @property
    def only_waived(self) -> bool:
        """Whether the finding is waived, and explains no other result."""
        return self.cause.verdict == "waived" and not self.consequences

    @property
    def caption(self) -> str:
        """The drawings in words."""
        return "; ".join(each.words for each in (self.bar, self.sparkline) if each)


@dataclass(frozen=True)
class ShownCheck:
    """A check as the page shows it: static rows of anchors and verdicts; `first` marks the first of its subject."""

    check: CheckRows
    rows: Sequence[tuple[str, Verdict, str]]
    first: bool


def shown_finding(finding: Finding, past: Past, streak: Streak | None, *, linked: bool) -> ShownFinding:
    """The finding, with the past of its cause on the first host."""
    group, cause = finding.first, finding.first.cause
    runs = past.get((cause.host, cause.test), ())
    measured = _decisive(cause.measurements)
    return ShownFinding(
        cause,
        group.consequences,
        [each.cause for each in finding.groups[1:]],
        _where(finding),
        _since(cause, streak, runs),
        bar(measured) if measured else None,
        sparkline([*(_number(run, measured) for run in runs), _value(measured)], measured) if measured else None,
        linked,
    )


def shown_checks(checks: Iterable[CheckRows], before: Mapping[str, Earlier], *, static: bool) -> list[ShownCheck]:
    """The checks, with their rows if `static`; `before` has earlier values by host."""
    found: list[ShownCheck] = []
    for each in checks:
        rows = [(row_id(verdict), verdict, trend(verdict, before)) for verdict in each.verdicts] if static else []
        found.append(ShownCheck(each, rows, not found or found[-1].check.subject != each.subject))
    return found


def trend(verdict: Verdict, before: Mapping[str, Earlier]) -> str:
    """The earlier value of the measurement that decided, and its age; empty if it looks the same as now."""
    measured, then = _decisive(verdict.measurements), before.get(verdict.host)
    if measured is None or then is None or isinstance(measured.value, str):
        return ""
    value = then.values.get((verdict.test, measured.metric))
    shown = "" if value is None else show(value, measured.unit)
    ago = "in the last run" if then.runs == 1 else f"{then.runs} runs ago"
    return f"{shown} {ago}" if shown not in ("", show(measured.value, measured.unit)) else ""


def _decisive(measurements: Iterable[Measurement]) -> Measurement | None:
    """The measurement with the worst verdict, which decided."""
    return min(measurements, key=lambda each: ORDER.index(each.verdict), default=None)


def _number(run: PastRun, measured: Measurement) -> float | None:
    value = run.values.get(measured.metric)
    return float(value) if isinstance(value, (int, float)) else None


def _value(measured: Measurement) -> float | None:
    return None if isinstance(measured.value, str) else measured.value


def _where(finding: Finding) -> str:
    hosts = finding.hosts
    if len(hosts) == 1:
        return hosts[0]
    text = f"on {len(hosts)} hosts"
    if len(finding.spared) == 1:
        return f"{text}; {finding.spared[0]} is the only one without"
    return f"{text}; all but {', '.join(finding.spared)}" if finding.spared else text


def _since(cause: Verdict, streak: Streak | None, runs: Sequence[PastRun]) -> str:
    """Since when a finding is not good, and how often it was so before."""
    before = _spells(runs)
    often = f"; {before} times before in the last {len(runs)} runs" if before > 1 else ""
    often = f"; once before in the last {len(runs)} runs" if before == 1 else often
    if cause.verdict in _BAD and streak is not None:
        return f"not good for {streak.runs + 1} runs, since {show_moment(streak.since)}{often}"
    return f"{cause.verdict} since this run{often}" if runs and runs[-1].verdict not in (*_BAD, cause.verdict) else ""


def _spells(runs: Sequence[PastRun]) -> int:
    """How often a check became failed or unknown and was good again."""
    current = len(list(takewhile(lambda run: run.verdict in _BAD, reversed(runs))))
    earlier = [run.verdict in _BAD for run in runs[: len(runs) - current]]
    return sum(is_bad and not was_bad for was_bad, is_bad in zip([False, *earlier], earlier, strict=False))


def readings(verdicts: Iterable[Verdict]) -> list[str]:
    """The readings of counters in a run, which later runs compare with."""
    return [
        f"{each.host} {each.resource} {sample.metric}: {show(sample.value, 'count')} at {show_moment(sample.taken)}"
        for each in verdicts
        for sample in each.samples
    ]
