"""The options of all actions, and the parser of their command lines."""

import argparse
import os
import sys
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from opsproof import DEFAULT_INVENTORY, DEFAULT_REPORTS
from opsproof.action.base import Action
from opsproof.core import installation, words

T = TypeVar("T")
_EPILOG = """\
exit: 0 done, 2 usage, 3 refused, 4 a step failed, 5 the finding remains, 6 not measured

examples:
  {title} --inventory=inventory/metachat.toml
"""


class ActionParser(argparse.ArgumentParser):
    """Refuses empty values and repeated options; prints a usage error as one line."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.register("action", None, _StoreOnce)
        self.register("type", None, _typed(words.required))
        for each in (words.path, words.duration, words.seconds, words.count):
            self.register("type", each.__name__, _typed(each))

    def error(self, message: str) -> NoReturn:
        """Exits with status 2."""
        is_general = message.startswith(("unrecognized arguments", "the following arguments are required"))
        self.exit(2, f"{self.prog}: {message}{f': see {self.prog} --help' if is_general else ''}\n")


class _StoreOnce(argparse.Action):
    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option_string: Any = None
    ) -> None:
        del parser
        if option_string and getattr(namespace, self.dest) is not self.default:
            raise argparse.ArgumentError(self, "given twice")
        setattr(namespace, self.dest, values)


def _typed(convert: Callable[[str], T]) -> Callable[[str], T]:
    def converted(text: str) -> T:
        try:
            return convert(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error  # argparse prints no message of a ValueError

    return converted


def parser(action: type[Action]) -> ActionParser:
    """The parser for the command line of `action`."""
    title = installation.action_title(action.name)
    made = ActionParser(
        prog=title,
        description=sys.modules[action.__module__].__doc__ or "",
        epilog=_EPILOG.format(title=title) + (f"  {title} --host=vps-00 --apply" if action.applies else ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_places(made)
    made.add_argument("--host", metavar="NAME", help="required if the inventory has several hosts")
    if action.applies:
        made.add_argument("--apply", action="store_true", help="run the plan; without --apply nothing is changed")
        made.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    else:
        made.set_defaults(apply=False, yes=False)
    if action.is_heavy():
        made.add_argument("--outside-window", metavar="REASON", help="run outside of the declared low-traffic window")
    made.add_argument("--json", action="store_true", help="print one JSON object")
    action.add_arguments(made)
    return made


def _add_places(made: ActionParser) -> None:
    made.add_argument(
        "--inventory",
        type="path",
        default=os.environ.get("OPSPROOF_INVENTORY", DEFAULT_INVENTORY),
        metavar="FILE",
        help="default: %(default)s",
    )
    made.add_argument(
        "--reports",
        type="path",
        default=os.environ.get("OPSPROOF_REPORTS", DEFAULT_REPORTS),
        metavar="FOLDER",
        help="folder of the journal and the history (default: %(default)s)",
    )
