"""The targets of each line of the old runbook: the rows of targets.toml."""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.runbook.lines import Line

TARGETS = Path(__file__).with_name("targets.toml")
APART = ("open", "proofs")
"""Tables of targets.toml beside the chapters."""


@dataclass(frozen=True)
class Row:
    """A line of the runbook, its key, and its targets; targets.toml explains the fields."""

    line: Line
    key: str
    now: tuple[str, ...]
    limit: str
    open: tuple[str, ...]
    why: str


@dataclass
class Targets:
    """The rows in the order of the runbook; lines without a key, and keys without a line."""

    rows: list[Row] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def parsed() -> dict[str, Any]:
    """targets.toml as it stands."""
    return tomllib.loads(TARGETS.read_text(encoding="utf-8"))


def match(lines: list[Line], declared: dict[str, Any]) -> Targets:
    """A row for each line: the longest matching key counts. A repeated line has a single row."""
    found = Targets()
    used: dict[tuple[str, str], Line] = {}
    for line in lines:
        rows = declared.get(line.chapter, {})
        key = max((each for each in rows if line.text.startswith(each)), key=len, default=None)
        if key is None:
            found.problems.append(f"no target: {line.chapter}: {line.text}")
            continue
        first = used.setdefault((line.chapter, key), line)
        if first.text != line.text:
            found.problems.append(f"a key for two lines: {line.chapter}: {key}")
        elif first is line:
            found.rows.append(_row(line, key, rows[key]))
    keys = {(chapter, key) for chapter, rows in declared.items() if chapter not in APART for key in rows}
    found.problems += [f"no such line: {chapter}: {key}" for chapter, key in sorted(keys - set(used))]
    return found


def _row(line: Line, key: str, value: Any) -> Row:
    table = value if isinstance(value, dict) else {"now": [value] if isinstance(value, str) else value}
    now, missing = (tuple(table.get(name, ())) for name in ("now", "open"))
    return Row(line, key, now, table.get("limit", ""), missing, table.get("why", ""))
