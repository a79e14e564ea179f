"""All verdicts of a run, by check, and the matrix of subjects and hosts."""

import base64
import gzip
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from opsproof.core.verdicts import ORDER, Verdict, tally, worst
from opsproof.round.report.templates import visible

MOST_ROWS = 10_000
"""A page with more verdicts has one row for each check; a script adds the rows of a check when it is opened."""
OPEN_ROWS = 500
"""Up to so many verdicts, all checks are open."""


@dataclass(frozen=True)
class CheckRows:
    """A check: the reason for it, its limits with their sources, the number of each verdict, and its verdicts."""

    name: str
    subject: str
    why: str
    limits: tuple[tuple[str, str], ...]
    counts: dict[str, int]
    verdicts: Sequence[Verdict]


@dataclass(frozen=True)
class MatrixRow:
    """A host, and by subject the worst verdict and the number of verdicts that are not passed."""

    host: str
    cells: Mapping[str, tuple[str, int]]


def row_id(verdict: Verdict) -> str:
    """The anchor of a verdict, equal in all pages: links to it stay valid for later runs."""
    return f"v{hashlib.blake2s(f'{verdict.host} {verdict.test}'.encode(), digest_size=5).hexdigest()}"


def by_check(verdicts: Iterable[Verdict]) -> list[CheckRows]:
    """The checks by subject; in a check, the worst verdicts first."""
    found: dict[tuple[str, str], list[Verdict]] = defaultdict(list)
    for each in verdicts:
        found[each.subject, each.check].append(each)
    return [_rows(name, subject, each) for (subject, name), each in sorted(found.items())]


def matrix(verdicts: Iterable[Verdict]) -> list[MatrixRow]:
    """A row for each host, the worst first."""
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for each in verdicts:
        found[each.host][each.subject].append(each.verdict)
    rows = [MatrixRow(host, {name: _cell(each) for name, each in cells.items()}) for host, cells in found.items()]
    return sorted(rows, key=lambda row: min(ORDER.index(verdict) for verdict, _ in row.cells.values()))


def packed(checks: Iterable[CheckRows], *, whole: bool) -> str:
    """Details of the verdicts as JSON, compressed by gzip, in base64: all if `whole`, else those with evidence.

    By check, a list of anchor, verdict, host, resource, sentence and evidence, which is a list of title and lines.
    """
    details = {check.name: [_details(each) for each in check.verdicts if whole or _lines(each)] for check in checks}
    text = json.dumps({name: rows for name, rows in details.items() if rows}, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def _details(verdict: Verdict) -> list[object]:
    said = (verdict.verdict, verdict.host, verdict.resource, verdict.sentence)
    return [row_id(verdict), *map(visible, said), _lines(verdict)]


def _lines(verdict: Verdict) -> list[list[object]]:
    return [[visible(each.title), list(map(visible, each.lines))] for each in verdict.evidence if each.lines]


def _rows(name: str, subject: str, verdicts: list[Verdict]) -> CheckRows:
    limits = {(f"{each.metric} {each.limit}", each.source): None for one in verdicts for each in one.measurements}
    worst_first = sorted(verdicts, key=lambda each: ORDER.index(each.verdict))
    return CheckRows(name, subject, verdicts[0].advice, tuple(limits), tally(verdicts), worst_first)


def _cell(verdicts: Sequence[str]) -> tuple[str, int]:
    return worst(verdicts), sum(each != "passed" for each in verdicts) or len(verdicts)
