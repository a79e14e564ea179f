"""`opsproof checks`: lists the checks, or explains a check."""

import json
import sys
from argparse import Namespace
from functools import cache

from opsproof.action.options import ActionParser
from opsproof.command import options
from opsproof.command.usage import UsageError, unknown
from opsproof.core import catalogue
from opsproof.core.catalogue import DeclaredCheck
from opsproof.core.errors import InventoryError
from opsproof.core.installation import action_title, check_folders
from opsproof.core.metrics import METRICS
from opsproof.core.rounds import ROUNDS
from opsproof.core.scripts import PACKAGE
from opsproof.inventory.hosts import RESOURCES
from opsproof.inventory.load import Inventory

FAULTS = PACKAGE / "command" / "faults.json"
"""The faults of the labs that prove each check, by the name of the check."""
_EXAMPLES = """\
opsproof checks
opsproof checks --round=daily
opsproof checks test_disk_has_free_space --inventory=inventory/metachat.toml"""


def parser() -> ActionParser:
    """The options of `opsproof checks`."""
    made = options.parser(
        "checks", "Lists the checks, or explains a check: why, limit, source, remedy, fault.", _EXAMPLES
    )
    made.add_argument("check", nargs="?", metavar="CHECK", help="name of the check to explain")
    made.add_argument("--round", choices=list(ROUNDS), metavar="ROUND", help=f"list one round: {', '.join(ROUNDS)}")
    options.add_inventory(made)
    return made


@cache
def known() -> dict[str, DeclaredCheck]:
    """All checks by name."""
    return catalogue.read(check_folders())


def run(words: list[str]) -> int:
    """Prints the list, or the explanation.

    Raises:
        UsageError: no such check.
        InventoryError: the inventory named on the command line is invalid.
    """
    given = parser().parse_args(words)
    lines = _explained(given) if given.check else _listed(given.round)
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _listed(only: str | None) -> list[str]:
    chosen = [each for each in known().values() if only is None or only in each.rounds]
    width = max(len(each.name) for each in known().values())
    return [f"{each.name:{width}}  {','.join(each.rounds):27}  {each.why}" for each in chosen]


def _explained(given: Namespace) -> list[str]:
    name = given.check.partition("[")[0]
    if name not in known():
        raise UsageError(unknown("check", name, known(), "opsproof checks"))
    check = known()[name]
    rows = [
        ("why", check.why),
        ("rounds", ", ".join(check.rounds)),
        ("subject", f"{check.subject}: {check.path.name}"),
        ("judged", f"each {resource_of(check) or 'host'}"),
        *(("metric", f"{each}: {METRICS[each].meaning}") for each in check.metrics),
        *(("limit", each) for each in _limits(check, given)),
        ("remedy", f"{remedy_of(check)} (a report shows the whole command for its host)"),
        ("proven by", "; ".join(faults().get(name, ())) or "no fault of the labs"),
    ]
    return [check.name, *(f"  {title:10}{options.plain(text)}" for title, text in rows)]


def resource_of(check: DeclaredCheck) -> str:
    """The kind of resource of a check; empty for a check of the host."""
    return next((each for each in RESOURCES if each in check.arguments), "")


def remedy_of(check: DeclaredCheck) -> str:
    """The command as declared: a report fills in the {names} in braces, and further words that the host needs."""
    first, *others = check.remedy or ("",)
    title = action_title(first.removesuffix(".py")) if first.endswith(".py") else first
    return " ".join([title, *others])


def faults() -> dict[str, list[str]]:
    """The faults that prove each check, by the name of the check."""
    found: dict[str, list[str]] = json.loads(FAULTS.read_text(encoding="utf-8"))
    return found


def _limits(check: DeclaredCheck, given: Namespace) -> list[str]:
    try:
        inventory = options.inventory(given.inventory)
    except InventoryError:
        if given.inventory:
            raise
        return ["give --inventory=FILE to see the limits"] if check.metrics else []
    return [line for metric in check.metrics for line in _limits_of(metric, inventory, resource_of(check))]


def _limits_of(metric: str, inventory: Inventory, resource: str) -> list[str]:
    """A line for each different limit of a metric, with its cases."""
    cases: dict[str, list[str]] = {}
    for case, (host_name, name) in inventory.cases(resource).items():
        host = inventory.hosts[host_name]
        limit = host.limit(metric, host.resources(resource)[name] if resource else None)
        source = f" (source: {limit.source})" if limit and limit.source else ""
        text = f"{limit.rules}{source}" if limit else "undeclared: the verdict is unknown"
        cases.setdefault(text, []).append(case)
    return [f"{metric}: {text}: {', '.join(names)}" for text, names in cases.items()] or ["no resource is declared"]
