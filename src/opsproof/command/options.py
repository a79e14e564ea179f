"""The options of the commands that read: parser, inventory, and plain text."""

import argparse
import os
import re
from pathlib import Path

from opsproof import DEFAULT_INVENTORY, DEFAULT_REPORTS
from opsproof.action.options import ActionParser
from opsproof.core import words
from opsproof.inventory.load import Inventory, load

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def parser(name: str, summary: str, examples: str) -> ActionParser:
    """A parser for `opsproof NAME`; usage errors take one line."""
    indented = "\n".join(f"  {line}" for line in examples.splitlines())
    return ActionParser(
        prog=f"opsproof {name}",
        description=summary,
        epilog=f"examples:\n{indented}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def add_inventory(made: ActionParser) -> None:
    """Adds --inventory, without a default: see `inventory`."""
    usual = "default: $OPSPROOF_INVENTORY, then " + DEFAULT_INVENTORY
    made.add_argument("--inventory", type="path", metavar="FILE", help=usual)


def add_reports(made: ActionParser) -> None:
    """Adds --reports, the folder of the history."""
    usual = os.environ.get("OPSPROOF_REPORTS", DEFAULT_REPORTS)
    made.add_argument("--reports", type="path", metavar="FOLDER", default=usual, help="default: %(default)s")


def inventory(given: Path | None) -> Inventory:
    """The inventory that --inventory names, else the default.

    Raises:
        InventoryError: the file is missing or invalid.
    """
    return load(given or words.path(os.environ.get("OPSPROOF_INVENTORY", DEFAULT_INVENTORY)))


def plain(text: str) -> str:
    """`text` without control characters: names and sentences come from hosts."""
    return _CONTROL.sub("\ufffd", text)
