"""How far a long command on a host is, by the bytes that it has written."""

import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from opsproof import shell
from opsproof.errors import MeasurementError
from opsproof.quantities import show

EVERY_S = 1.0
LINE_EVERY_S = 30.0
Say = Callable[[str], None]
T = TypeVar("T")


@dataclass
class Told:
    """Progress in lines, for where nobody watches: one at most every half a minute."""

    what: str
    total: float
    say: Say
    last: float = 0.0

    def __call__(self, done: float) -> None:
        """Tells of `done` bytes, if it is time to."""
        if time.monotonic() - self.last < LINE_EVERY_S:
            return
        self.last = time.monotonic()
        self.say(f"  {self.what}: {show(done, 'bytes')} of about {show(self.total, 'bytes')}")


@contextmanager
def telling(what: str, total: float, say: Say, *, quiet: bool) -> Iterator[Callable[[float], None]]:
    """A function that is told how many bytes are done: a bar on a terminal, else lines."""
    if quiet or not sys.stdout.isatty():
        yield Told(what, total, say, time.monotonic())
        return
    columns = (TextColumn("  {task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)


def watched(work: Callable[[], None], reached: Callable[[], T], tell: Callable[[T], None]) -> None:
    """Does `work`, and tells what it has `reached`, time and again; an interruption ends it.

    Raises:
        StepFailed: as `work` does.
    """
    with ThreadPoolExecutor(1) as pool:
        doing = pool.submit(work)
        try:
            while not _ended(doing):
                with suppress(MeasurementError):
                    tell(reached())
        except BaseException:
            shell.stop_all()
            raise
        doing.result()


def _ended(doing: "Future[None]") -> bool:
    try:
        doing.exception(timeout=EVERY_S)
    except TimeoutError:
        return False
    return True
