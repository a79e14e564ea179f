"""The table of metrics in docs/inventory.md, generated from `METRICS` and the checks.

``python -m opsproof.inventory.metrics_table docs/inventory.md checks`` writes the table into the document.
"""

import sys
from pathlib import Path

from opsproof.core import catalogue
from opsproof.core.metrics import METRICS

HEADER = "| metric | unit | meaning | judged by |"


def table(checks: Path) -> list[str]:
    """The lines of the table: metric, unit, meaning, and the checks in the folder `checks` that judge by the metric."""
    judging = _judging(checks)
    rows = [
        f"| `{name}` | {metric.unit} | {metric.meaning} | {', '.join(f'`{each}`' for each in sorted(judging[name]))} |"
        for name, metric in METRICS.items()
    ]
    return [HEADER, "|---|---|---|---|", *rows]


def _judging(checks: Path) -> dict[str, set[str]]:
    """The names of the checks that use each metric."""
    found: dict[str, set[str]] = {name: set() for name in METRICS}
    for check in catalogue.read([checks]).values():
        for metric in check.metrics:
            found[metric].add(check.name)
    return found


def updated(document: str, checks: Path) -> str:
    """The text of `document` with a current table.

    Raises:
        ValueError: the document has no table of metrics.
    """
    lines = document.splitlines()
    start = lines.index(HEADER)
    end = next((n for n in range(start, len(lines)) if not lines[n].startswith("|")), len(lines))
    return "\n".join([*lines[:start], *table(checks), *lines[end:]]) + "\n"


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.write_text(updated(target.read_text(encoding="utf-8"), Path(sys.argv[2])), encoding="utf-8")
