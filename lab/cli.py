"""Signals, messages and exit codes of the commands of all labs."""

import argparse
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict
from types import FrameType
from typing import Protocol

from lab.errors import LabError
from lab.progress import say_aloud
from lab.status import Working

EPILOG = "exit: 0 done, 1 status: something does not work, 2 usage, 4 refused or failed, 130 interrupted"


class AnyLab(Protocol):
    """The operations of every lab."""

    def up(self) -> None:
        """Starts stopped parts and heals broken parts."""

    def down(self, purge: bool = False) -> None:
        """Stops everything."""

    def traffic(self, seconds: float = 2.0, requests: int = 400) -> dict[str, int]:
        """Sends requests and returns the number of answers by status code."""

    def status(self) -> Working:
        """The state of each part."""


def add_traffic(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the command `traffic`."""
    parser.add_argument("--requests", type=int, default=400, help="maximum number of requests (default: 400)")
    parser.add_argument("--seconds", type=float, default=2.0, help="maximum duration (default: 2)")


def parser(name: str, summary: str | None, lab: str, purged: str, traffic: str) -> argparse.ArgumentParser:
    """The command line of a lab without options of its own: how it is called, what is purged, what traffic is."""
    parser = argparse.ArgumentParser(prog=f"python -m {name}", description=summary, epilog=EPILOG)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help=f"start or heal {lab}")
    commands.add_parser("down", help=f"stop {lab}").add_argument(
        "--purge", action="store_true", help=f"also delete {purged}"
    )
    commands.add_parser("status", help="show which parts work")
    add_traffic(commands.add_parser("traffic", help=traffic))
    return parser


def run(lab: AnyLab, options: argparse.Namespace) -> int:
    """Runs the command of the command line on a lab and returns the exit code."""
    if options.command == "up":
        lab.up()
    elif options.command == "down":
        lab.down(purge=options.purge)
    elif options.command == "traffic":
        answers = lab.traffic(seconds=options.seconds, requests=options.requests)
        say_aloud(", ".join(f"{status}: {count}" for status, count in sorted(answers.items())))
    else:
        return _say_status(lab.status())
    return 0


def _say_status(status: Working) -> int:
    for name, works in asdict(status).items():
        say_aloud(f"{name:<10} {'up' if works else 'down'}")
    return 0 if status.up else 1


def guarded(command: Callable[[], int]) -> int:
    """Runs a command and returns the exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        return command()
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 4
    except KeyboardInterrupt:
        print("lab: interrupted; stopped everything it had started", file=sys.stderr)
        return 130


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """Raises KeyboardInterrupt once; a second signal must not interrupt the cleanup."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt
