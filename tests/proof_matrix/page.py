"""The proof as an HTML page: checks, faults and verdicts.

`python -m tests.proof_matrix.page ROWS... --output reports/proof.html` renders files of rows.
"""

import argparse
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import jinja2

from tests.proof_matrix.matrix import VERDICTS, Row, by_check, check, read, worst

FOLDER = Path(__file__).parent
CHECKS = FOLDER.parents[1] / "checks"
SEVERAL = "several subjects"
OTHER = "other checks"
FEW = 8
"""Longer lists of chips are folded."""

Suite = Mapping[str, str]
"""Check name to subject."""


@dataclass(frozen=True)
class Chip:
    """A coloured label with a tooltip.

    Verdict ``missing``: named by the fault, unchanged. Kind ``allowed``: changed, not named by the fault.
    """

    label: str
    verdict: str
    title: str
    kind: str = ""


@dataclass(frozen=True)
class Group:
    """Rows of one subject: faults of a lab, or checks."""

    subject: str
    rows: Sequence[tuple[Row, list[Chip]]] | Sequence[tuple[str, list[Chip]]]


@dataclass(frozen=True)
class Lab:
    """Faults of one lab by subject."""

    name: str
    rows: list[Row]
    groups: list[Group]

    @property
    def seconds(self) -> float:
        """Duration of all faults together."""
        return sum(row.seconds for row in self.rows)

    @property
    def last_day(self) -> str:
        """Day of the newest row."""
        return day(max(row.at for row in self.rows))


def suite() -> dict[str, str]:
    """All checks of the suite, with their folder as subject."""
    found = {}
    for path in sorted(CHECKS.rglob("test_*.py")):
        names = re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
        found |= dict.fromkeys(names, path.relative_to(CHECKS).parts[0])
    return found


def render(rows: Sequence[Row], checks: Suite) -> str:
    """The complete page."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"words": words, "duration": duration, "day": day, "counted": counted}
    template = environment.get_template("page.html.jinja")
    known = {**checks, **{name: OTHER for row in rows for name in by_check(row) if name not in checks}}
    return template.render(
        rows=rows,
        style=(FOLDER / "page.css").read_text(encoding="utf-8"),
        script=(FOLDER / "page.js").read_text(encoding="utf-8"),
        checks=checks,
        seen=seen(rows, checks),
        unseen=unseen(rows, checks),
        changes=sum(len(by_check(row)) for row in rows),
        surprises=[row for row in rows if row.outcome != "as named"],
        labs=labs(rows, known),
        subjects=subjects(rows, known),
        columns=sorted(known, key=lambda name: (known[name], name)),
        cells=[(row, {name: worst(tests.values()) for name, tests in by_check(row).items()}) for row in rows],
        few=FEW,
    )


def write(path: Path, rows: Sequence[Row], checks: Suite | None = None) -> None:
    """Writes the page atomically: several processes may do so at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(render(rows, suite() if checks is None else checks), encoding="utf-8")
    draft.replace(path)


def seen(rows: Iterable[Row], checks: Suite) -> dict[str, int]:
    """Number of suite checks seen with each verdict."""
    found = {(name, verdict) for row in rows for name, tests in by_check(row).items() for verdict in tests.values()}
    return {verdict: sum((name, verdict) in found for name in checks) for verdict in VERDICTS}


def unseen(rows: Iterable[Row], checks: Suite) -> dict[str, list[str]]:
    """Checks never seen failing, each with its other verdicts."""
    found = defaultdict(set)
    for row in rows:
        for name, tests in by_check(row).items():
            found[name] |= set(tests.values())
    return {
        name: sorted(found[name], key=VERDICTS.index)
        for name in sorted(checks, key=lambda name: (checks[name], name))
        if "failed" not in found[name]
    }


def labs(rows: Iterable[Row], checks: Suite) -> list[Lab]:
    """Faults by lab and subject."""
    of_lab: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        of_lab[row.lab].append(row)
    return [
        Lab(name, found, _grouped([(_subject(row, checks), (row, _of_fault(row))) for row in found]))
        for name, found in sorted(of_lab.items())
    ]


def subjects(rows: Iterable[Row], checks: Suite) -> list[Group]:
    """Checks by subject, each with its faults."""
    rows = list(rows)
    times = Counter(row.fault for row in rows)
    chips: dict[str, list[Chip]] = defaultdict(list)
    for row in rows:
        label = row.fault if times[row.fault] == 1 else f"{row.fault} ({row.lab})"
        for name, tests in by_check(row).items():
            chips[name].append(Chip(label, worst(tests.values()), _title(f"{row.lab}: {row.fault}", tests)))
    found = [(checks[name], (name, _worst_first(chips[name]))) for name in sorted(checks)]
    return _grouped(found)


def words(name: str) -> str:
    """A check's name as words."""
    return name.removeprefix("test_").replace("_", " ")


def duration(seconds: float) -> str:
    """Seconds, or minutes from two minutes on."""
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def day(at: float) -> str:
    """Day in UTC."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}"


def counted(chips: Iterable[Chip]) -> list[tuple[str, int]]:
    """Number of chips per verdict, worst first."""
    counts = Counter(chip.verdict for chip in chips)
    return [(verdict, counts[verdict]) for verdict in VERDICTS if counts[verdict]]


def _of_fault(row: Row) -> list[Chip]:
    """Changed checks; after a surprise also named checks without a change."""
    chips = [
        Chip(words(name), worst(tests.values()), _title(name, tests), "" if _named(row, tests) else "allowed")
        for name, tests in by_check(row).items()
    ]
    changed = {*row.changed, *map(check, row.changed), "*"}
    missing = row.named - changed if row.outcome != "as named" else frozenset()
    return _worst_first([*chips, *(Chip(words(name), "missing", f"{name}: named, not changed") for name in missing)])


def _named(row: Row, tests: Iterable[str]) -> bool:
    return bool(row.named & {"*", *tests, *map(check, tests)})


def _worst_first(chips: Iterable[Chip]) -> list[Chip]:
    order = ("missing", *VERDICTS)
    return sorted(chips, key=lambda chip: (order.index(chip.verdict), chip.label))


def _title(head: str, tests: Mapping[str, str]) -> str:
    return "\n".join([head, *(f"{verdict}: {test}" for test, verdict in sorted(tests.items()))])


def _subject(row: Row, checks: Suite) -> str:
    """Subject of at least half of the named checks, or `SEVERAL`."""
    names = {check(name) for name in row.named} or set(by_check(row))
    if "*" in names:
        return SEVERAL
    counts = Counter(checks.get(name, SEVERAL) for name in sorted(names))
    (subject, count), *_ = counts.most_common(1) or [(SEVERAL, 0)]
    return subject if count * 2 >= len(names) else SEVERAL


def _grouped(found: Iterable[tuple[str, tuple[object, list[Chip]]]]) -> list[Group]:
    groups = defaultdict(list)
    for subject, row in found:
        groups[subject].append(row)
    return [Group(subject, groups[subject]) for subject in sorted(groups, key=lambda name: (name == SEVERAL, name))]


def main(arguments: Sequence[str] | None = None) -> None:
    """Renders the given files of rows."""
    parser = argparse.ArgumentParser(prog="python -m tests.proof_matrix.page", description=__doc__)
    parser.add_argument("rows", nargs="+", type=Path, metavar="ROWS", help="a file of rows, as proofs leave them")
    parser.add_argument("--output", type=Path, default=Path("reports/proof.html"), help="default: %(default)s")
    options = parser.parse_args(arguments)
    write(options.output, read(options.rows))


if __name__ == "__main__":
    main()
