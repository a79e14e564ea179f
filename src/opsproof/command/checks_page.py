"""docs/checks.md, generated: ``python -m opsproof.command.checks_page``."""

import sys

from opsproof.command.checks import faults, resource_of
from opsproof.core import catalogue
from opsproof.core.catalogue import DeclaredCheck
from opsproof.core.installation import CHECKS

_HEAD = """\
# Checks

`make schema` writes this page. `opsproof checks NAME` explains a check, with the limits of an inventory, their sources
and the remedy. A check is run for each resource in the third column. The faults in the last column have made the check
fail in a lab.
"""


def page() -> str:
    """The text of the page: a table for each subject."""
    subjects: dict[str, list[DeclaredCheck]] = {}
    for check in catalogue.read([CHECKS]).values():
        subjects.setdefault(check.subject, []).append(check)
    return _HEAD + "".join(_section(subject, checks) for subject, checks in subjects.items())


def _section(subject: str, checks: list[DeclaredCheck]) -> str:
    head = f"\n## {subject}\n\n| check | rounds | for each | why | metrics | proven by |\n|---|---|---|---|---|---|\n"
    return head + "".join(f"| {' | '.join(_cells(each))} |\n" for each in checks)


def _cells(check: DeclaredCheck) -> tuple[str, ...]:
    metrics = ", ".join(f"`{each}`" for each in check.metrics)
    why = check.why.replace("|", "\\|")
    rounds, resource = ", ".join(check.rounds), resource_of(check).replace("_", " ") or "host"
    return f"`{check.name}`", rounds, resource, why, metrics, "; ".join(faults().get(check.name, ()))


if __name__ == "__main__":
    sys.stdout.write(page())
