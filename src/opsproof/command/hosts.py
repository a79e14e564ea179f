"""Options for the hosts of an inventory, and the exit status of errors."""

import argparse
import sys
from collections.abc import Callable

from opsproof.action.options import ActionParser
from opsproof.command import options
from opsproof.core.errors import InventoryError, MeasurementError, OpsproofError, StepFailed
from opsproof.inventory.hosts import Host

FINDINGS, USAGE, REFUSED, FAILED, UNKNOWN = 1, 2, 3, 4, 6
"""Exit statuses: findings to mend; invalid command line or inventory; refused; a step failed; not measured."""


def add_hosts(made: ActionParser) -> None:
    """Adds --inventory and --host."""
    options.add_inventory(made)
    made.add_argument("--host", metavar="NAME", help="this host only; default: all hosts of the inventory")


def chosen(given: argparse.Namespace) -> list[Host]:
    """The hosts chosen by the options.

    Raises:
        InventoryError: the inventory is invalid, or has no such host.
    """
    declared = options.inventory(given.inventory).hosts
    if given.host and given.host not in declared:
        raise InventoryError(f"unknown host {given.host!r}; choose {' or '.join(declared)}")
    return [host for name, host in declared.items() if given.host in (None, name)]


def ended(run: Callable[[], int]) -> int:
    """The exit status of `run`, or of its error, printed in a line."""
    try:
        return run()
    except OpsproofError as error:
        sys.stderr.write(f"opsproof: {options.plain(str(error))}\n")
        statuses = {InventoryError: USAGE, MeasurementError: UNKNOWN, StepFailed: FAILED}
        return next((statuses[kind] for kind in statuses if isinstance(error, kind)), REFUSED)
