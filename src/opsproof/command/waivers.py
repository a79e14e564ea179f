"""`opsproof waivers`: the waivers of an inventory, the next to expire first."""

import datetime
import sys

from opsproof.action.options import ActionParser
from opsproof.command import options
from opsproof.command.checks import known, resource_of
from opsproof.inventory.hosts import Waiver
from opsproof.inventory.load import Inventory

_EXAMPLES = "opsproof waivers --inventory=inventory/metachat.toml"


def parser() -> ActionParser:
    """The options of `opsproof waivers`."""
    summary = "Lists the waivers, the next to expire first. Exit status 1: a waiver expired, or matches no check."
    made = options.parser("waivers", summary, _EXAMPLES)
    options.add_inventory(made)
    return made


def run(words: list[str]) -> int:
    """Prints a line for each waiver; 1 if any is of no use.

    Raises:
        InventoryError: the inventory is invalid.
    """
    inventory = options.inventory(parser().parse_args(words).inventory)
    waivers = sorted(inventory.waivers, key=lambda each: each.expires)
    needless = [_problem(each, inventory) for each in waivers]
    for waiver, problem in zip(waivers, needless, strict=True):
        line = f"{waiver.expires}  {waiver.check}[{waiver.on}]  {waiver.owner}: {waiver.reason}"
        sys.stdout.write(f"{options.plain(line)}{problem and f'  ({problem})'}\n")
    if not waivers:
        sys.stdout.write(f"no waivers in {inventory.path}\n")
    return int(any(needless))


def _problem(waiver: Waiver, inventory: Inventory) -> str:
    if waiver.check not in known():
        return "matches nothing: no such check: correct `check` or remove the waiver"
    if waiver.on not in inventory.cases(resource_of(known()[waiver.check])):
        return "matches nothing: no such case of the check: correct `on` or remove the waiver"
    is_expired = waiver.expires < datetime.datetime.now(tz=datetime.UTC).date()
    return "expired: repair the finding, or renew the waiver" if is_expired else ""
