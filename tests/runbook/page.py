"""docs/runbook.md, generated: ``python -m tests.runbook.page``."""

import re
import sys
from collections import Counter
from typing import Any

from tests.runbook import lines, proven, targets
from tests.runbook.targets import Row

_HEAD = """\
# From the old runbook

`make schema` writes this page. The tables follow the chapters of the old runbook. [checks.md](checks.md) lists every
check with the faults that prove it. `opsproof do NAME` shows the plan of an action such as `backup.py`, and executes
the plan with `--apply`. A limit is quoted where the runbook expects a value.
"""
_ROWS = "\n| old runbook | opsproof | mistake of the old step |\n|---|---|---|\n"


def page() -> str:
    """The text of the page: the open subjects, and a table for each chapter."""
    declared = targets.parsed()
    walked = lines.read(lines.RUNBOOK.read_text(encoding="utf-8"))
    rows = targets.match(walked, declared).rows
    parts = [_HEAD, _open(rows, declared["open"])]
    for chapter in dict.fromkeys(row.line.chapter for row in rows):
        parts.append(f"\n## {chapter}\n{_ROWS}")
        parts += [f"| {' | '.join(_cells(row, declared))} |\n" for row in rows if row.line.chapter == chapter]
    return "".join(parts)


def waiting(rows: list[Row]) -> Counter[str]:
    """The number of lines for each open subject."""
    return Counter(subject for row in rows for subject in row.open)


def _open(rows: list[Row], subjects: dict[str, Any]) -> str:
    """The subjects that are open, by the number of lines."""
    count = sum(bool(row.open) for row in rows)
    table = [f"| {subjects[name]['title']} | {number} |\n" for name, number in waiting(rows).most_common()]
    head = f"\n{len(rows)} lines, of which {count} wait, in part or as a whole, for the subjects below.\n"
    return "".join([head, "\n| open | lines |\n|---|---|\n", *table])


def _cells(row: Row, declared: dict[str, Any]) -> tuple[str, ...]:
    now = [_target(each) for each in row.now]
    limit = [f"limit `{row.limit}`"] if row.limit else []
    titles = [declared["open"][each]["title"] for each in row.open]
    missing = [f"**open**: {'; '.join(titles)}"] if titles else []
    return _old(row), "; ".join([*now, *limit, *missing]), row.why


def _old(row: Row) -> str:
    """A command as code below its step; any further line as text."""
    shown = row.line.text.removeprefix("Save as: ").rpartition("/")[2] if row.key == "Save as: " else row.line.text
    if not row.line.step:
        return re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", shown).replace("|", "\\|")
    short = row.key if row.key == row.line.text else f"{row.key.rstrip()} …"
    return f"{row.line.step}: `{short}`".replace("|", "\\|")


def _target(target: str) -> str:
    if proven.is_page(target):
        name = target.removeprefix("docs/")
        return f"[{name.partition('#')[0]}]({name})"
    if proven.is_job(target):
        return f"[schedule](schedule.md): {target.removeprefix('schedule ').replace(':', ',', 1)}"
    check = proven.checks().get(target)
    return f"[`{target}`](checks.md#{check.subject})" if check else f"`{target}`"


if __name__ == "__main__":
    sys.stdout.write(page())
