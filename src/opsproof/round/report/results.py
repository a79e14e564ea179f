"""The results of a run as JSON, for other programs, in the words of the page; `schema` describes the document."""

import json
import sys
import time
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import TYPE_CHECKING

from opsproof.core.limits import Measurement
from opsproof.core.verdicts import ORDER, Verdict
from opsproof.round.grouping import Finding, findings

if TYPE_CHECKING:
    from opsproof.round.run import Run

VERSION = 1
"""Rises when a key changes its meaning or goes; new keys may come at any time."""


@dataclass(frozen=True)
class MeasuredValue:
    """A measured value: in percent, bytes, seconds or a count, or a word; `limit` and its `source` as text."""

    metric: str
    value: float | str
    unit: str
    limit: str
    source: str


@dataclass(frozen=True)
class Details:
    """Evidence: a title and lines of the host."""

    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class RemedyCommand:
    """A command that repairs or examines the finding, on `host`, or on the machine with opsproof if empty."""

    host: str
    command: str
    effect: str


@dataclass(frozen=True)
class JudgedCheck:
    """The result of a check of a host; `test` is the check with its parameter, as in reports.

    `verdict` is failed, unknown, warned, waived or passed. `sentence` is the result, `why` the reason for the check.
    `acknowledged` says who works on it until when.
    """

    host: str
    test: str
    check: str
    resource: str
    subject: str
    verdict: str
    sentence: str
    why: str
    owner: str
    see: tuple[str, ...]
    acknowledged: str
    measurements: tuple[MeasuredValue, ...]
    evidence: tuple[Details, ...]
    remedy: RemedyCommand | None


@dataclass(frozen=True)
class Place:
    """A test of a host."""

    host: str
    test: str


@dataclass(frozen=True)
class FindingResult:
    """A finding as the page shows it: one cause on one or more hosts, and on each its consequences.

    `without` names the few hosts that have the check, and not the finding.
    """

    verdict: str
    causes: tuple[Place, ...]
    consequences: tuple[Place, ...]
    without: tuple[str, ...]


@dataclass(frozen=True)
class RunResults:
    """The results of a run; `started` in seconds since 1970, `took_s` in seconds. `live` is false for saved answers."""

    version: int
    opsproof: str
    inventory: str
    round: str
    started: float
    took_s: float
    live: bool
    counts: dict[str, int]
    findings: tuple[FindingResult, ...]
    checks: tuple[JudgedCheck, ...]


def results(run: "Run") -> RunResults:
    """The results of `run`, findings and checks the worst first."""
    ordered = sorted(run.verdicts, key=lambda each: ORDER.index(each.verdict))
    return RunResults(
        VERSION,
        metadata.version("opsproof"),
        run.config.option.inventory.name,
        run.cadence,
        run.started,
        time.time() - run.started,
        run.config.option.facts is None,
        run.tally(),
        tuple(map(_finding, findings(run.verdicts))),
        tuple(map(_check, ordered)),
    )


def text(run: "Run") -> str:
    """The document."""
    return json.dumps(asdict(results(run)), indent=1) + "\n"


def _finding(found: Finding) -> FindingResult:
    causes = tuple(_place(each.cause) for each in found.groups)
    consequences = tuple(_place(one) for each in found.groups for one in each.consequences)
    return FindingResult(ORDER[found.first.rank], causes, consequences, found.spared)


def _place(verdict: Verdict) -> Place:
    return Place(verdict.host, verdict.test)


def _check(found: Verdict) -> JudgedCheck:
    remedy = found.remedy
    return JudgedCheck(
        found.host,
        found.test,
        found.check,
        found.resource,
        found.subject,
        found.verdict,
        found.sentence,
        found.advice,
        found.owner,
        tuple(found.see),
        found.acknowledged,
        tuple(
            MeasuredValue(each.metric, each.value, each.unit, each.limit, each.source) for each in found.measurements
        ),
        tuple(Details(each.title, each.lines) for each in found.evidence),
        RemedyCommand(remedy.host, remedy.command, remedy.effect) if remedy else None,
    )


def _measured(found: Measurement) -> MeasuredValue:
    return MeasuredValue(found.metric, found.value, found.unit, found.limit, found.source)


def schema() -> str:
    """The JSON Schema of the document."""
    from pydantic import TypeAdapter

    return json.dumps(TypeAdapter(RunResults).json_schema(), indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema())
