"""What the commands of all labs have in common: signals, messages and exit codes."""

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
    """What every lab can be told."""

    def up(self) -> None:
        """Starts what does not run and heals what is broken."""

    def down(self, purge: bool = False) -> None:
        """Stops everything."""

    def traffic(self, seconds: float = 2.0, requests: int = 400) -> dict[str, int]:
        """Sends requests; the number of answers by status code."""

    def status(self) -> Working:
        """What works."""


def add_traffic(parser: argparse.ArgumentParser) -> None:
    """The options of the command that sends requests."""
    parser.add_argument("--requests", type=int, default=400, help="at most that many (default: 400)")
    parser.add_argument("--seconds", type=float, default=2.0, help="at most that long (default: 2)")


def run(lab: AnyLab, options: argparse.Namespace) -> int:
    """Tells a lab to do what the command line says; the exit code."""
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
    """Runs a command; the exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        return command()
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 4
    except KeyboardInterrupt:
        print("lab: interrupted; what was started is stopped again", file=sys.stderr)
        return 130


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """Stops once; a second signal must not cut the cleaning up short."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt
