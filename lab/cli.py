"""What the commands of all labs have in common: signals, messages and exit codes."""

import signal
import sys
from collections.abc import Callable
from types import FrameType

from lab.errors import LabError

EPILOG = "exit: 0 done, 1 status: something does not work, 2 usage, 4 refused or failed, 130 interrupted"


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
