"""How far a long command on a host is, by the bytes that it has written."""

import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol, TypeVar

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from opsproof.core.errors import MeasurementError
from opsproof.core.units import show
from opsproof.transport import shell

EVERY_S = 1.0
LINE_EVERY_S = 30.0
Say = Callable[[str], None]
Tell = Callable[[float], None]
"""Is told how many bytes are done."""
T = TypeVar("T")
Done_contra = TypeVar("Done_contra", contravariant=True)


class Paced(Protocol[Done_contra]):
    """Is told how far a command is, every so many seconds: asking for it costs what is asked something."""

    @property
    def every_s(self) -> float:
        """How often it wants to know."""

    def __call__(self, done: Done_contra) -> None:
        """Tells of what is `done`."""


@dataclass
class Told:
    """Progress in lines, for where nobody watches: one at most every half a minute."""

    what: str
    total: float
    say: Say
    last: float = 0.0

    @property
    def every_s(self) -> float:
        """As often as there is a line."""
        return LINE_EVERY_S

    def __call__(self, done: float) -> None:
        """Tells of `done` bytes, if it is time to."""
        if time.monotonic() - self.last < LINE_EVERY_S:
            return
        self.last = time.monotonic()
        self.say(f"  {self.what}: {show(done, 'bytes')} of about {show(self.total, 'bytes')}")


@dataclass
class Bar:
    """Progress on a terminal."""

    progress: Progress
    task: TaskID

    @property
    def every_s(self) -> float:
        """As often as people look."""
        return EVERY_S

    def __call__(self, done: float) -> None:
        """Tells of `done` bytes."""
        self.progress.update(self.task, completed=done)


@contextmanager
def telling(what: str, total: float, say: Say, *, quiet: bool) -> Iterator[Paced[float]]:
    """A function that is told how many bytes are done: a bar on a terminal, else lines."""
    if quiet or not sys.stdout.isatty():
        yield Told(what, total, say, time.monotonic())
        return
    columns = (TextColumn("  {task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), transient=True) as bar:
        yield Bar(bar, bar.add_task(what, total=total))


def watched(work: Callable[[], None], reached: Callable[[], T], tell: Paced[T]) -> None:
    """Does `work`, and tells what it has `reached`, time and again; an interruption ends it.

    Raises:
        StepFailed: as `work` does.
    """
    with ThreadPoolExecutor(1) as pool:
        doing = pool.submit(work)
        try:
            while not _ended(doing, tell.every_s):
                with suppress(MeasurementError):
                    tell(reached())
        except BaseException:
            shell.stop_all()
            raise
        doing.result()


def _ended(doing: "Future[None]", within_s: float) -> bool:
    try:
        doing.exception(timeout=within_s)
    except TimeoutError:
        return False
    return True
