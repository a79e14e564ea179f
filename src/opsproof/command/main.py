"""The command line of `opsproof`: the first word names a command.

::

    0  success
    2  the command line or the inventory is invalid

Rounds and actions end with their own exit statuses.
"""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module

from opsproof.command import rounds
from opsproof.command.usage import UsageError, unknown
from opsproof.core.errors import InventoryError
from opsproof.core.installation import ACTIONS
from opsproof.core.rounds import ROUNDS

_EXAMPLES = """\
examples:
  opsproof daily --inventory=inventory/metachat.toml
  opsproof monthly --host=vps-00 --strict-warnings
  opsproof checks test_disk_has_free_space
  opsproof do backup --help
"""


@dataclass(frozen=True)
class Subcommand:
    """A command: a line of help, and a function from the words that follow to the exit status."""

    summary: str
    run: Callable[[list[str]], int]


def _later(name: str) -> Callable[[list[str]], int]:
    """The command in the module `name`, imported when it runs: rounds and actions need none of it."""

    def run(words: list[str]) -> int:
        return int(import_module(f"opsproof.command.{name}").run(words))

    return run


COMMANDS = {
    **{
        name: Subcommand(f"round of checks: {question}", partial(rounds.run, name)) for name, question in ROUNDS.items()
    },
    "init": Subcommand("look at a host, and write a first inventory", _later("init")),
    "doctor": Subcommand("what would leave checks unknown, and the command that mends it", _later("doctor")),
    "privileges": Subcommand("the rights that rounds and actions need, as files; or compared", _later("privileges")),
    "checks": Subcommand("list the checks, or explain one", _later("checks")),
    "history": Subcommand("verdicts and values of earlier runs, as text, csv or json", _later("history")),
    "waivers": Subcommand("the waivers, the next to expire first", _later("waivers")),
    "schedule": Subcommand("when rounds and actions run, as entries of cron or systemd", _later("schedule")),
    "completion": Subcommand(
        "a script for bash, zsh or fish that completes commands and options", _later("completion")
    ),
    "do": Subcommand("an action, such as a backup: prints a plan; --apply runs the plan", _later("actions")),
}


def main(words: list[str] | None = None) -> int:
    """Runs the command in `words`, by default of the command line, and returns the exit status."""
    name, *rest = (sys.argv[1:] if words is None else words) or ["--help"]
    try:
        return _run(name, rest)
    except (UsageError, InventoryError) as error:
        sys.stderr.write(f"opsproof: {error}\n")
        return getattr(error, "status", 2)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python would flush into the closed pipe
        return 1


def _run(name: str, words: list[str]) -> int:
    if name in ("-h", "--help", "help"):
        sys.stdout.write(_help())
    elif name == "--version":
        sys.stdout.write(f"opsproof {_version()}\n")
    elif name in COMMANDS:
        return COMMANDS[name].run(words)
    else:
        known = [*COMMANDS, *(f"do {path.stem}" for path in ACTIONS.glob("*.py"))]
        raise UsageError(unknown("command", name, known, "opsproof"))
    return 0


def _help() -> str:
    rows = [f"  {name:12}{command.summary}" for name, command in COMMANDS.items()]
    head = ["usage: opsproof COMMAND [OPTION ...]", "", "commands:"]
    return "\n".join([*head, *rows, "", "opsproof COMMAND --help explains a command", "", _EXAMPLES])


def _version() -> str:
    from importlib.metadata import version  # slow, and needed here only

    return version("opsproof")
