"""Progress of a long command: a bar on a terminal, otherwise a line every half minute."""

import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from opsproof.core.errors import MeasurementError
from opsproof.core.units import show
from opsproof.transport import shell

BAR_EVERY_S = 1.0
LINE_EVERY_S = 30.0
Say = Callable[[str], None]
T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)


class ProgressReport(Protocol[T_contra]):
    """Shows how far a command is. It is called every `every_s` seconds, because each measurement has a cost."""

    @property
    def every_s(self) -> float:
        """Seconds to wait between two reports."""

    def __call__(self, reached: T_contra) -> None:
        """Shows what the command has reached."""


@dataclass
class ProgressLines(Generic[T]):
    """Prints progress as lines, at most a line every `LINE_EVERY_S` seconds. `line` is empty without known progress."""

    say: Say
    line: Callable[[T], str]
    pace: Callable[[], float]
    last: float = field(default_factory=time.monotonic)

    @property
    def every_s(self) -> float:
        """Seconds to wait between two reports."""
        return self.pace()

    def __call__(self, reached: T) -> None:
        """Prints a line if the last line is at least `LINE_EVERY_S` old."""
        if time.monotonic() - self.last >= LINE_EVERY_S and (text := self.line(reached)):
            self.last = time.monotonic()
            self.say(text)


@dataclass
class ProgressBar(Generic[T]):
    """Progress on a terminal. `fields` are the arguments of `rich.progress.Progress.update`."""

    progress: Progress
    task: TaskID
    fields: Callable[[T], dict[str, Any]]
    pace: Callable[[], float]

    @property
    def every_s(self) -> float:
        """Seconds to wait between two reports."""
        return self.pace()

    def __call__(self, reached: T) -> None:
        """Moves the bar."""
        self.progress.update(self.task, **self.fields(reached))


@dataclass(frozen=True)
class Look(Generic[T]):
    """The format of a kind of progress, as a line and as a bar, and the update intervals."""

    line: Callable[[T], str]
    fields: Callable[[T], dict[str, Any]]
    columns: tuple[ProgressColumn, ...]
    line_pace: Callable[[], float] = lambda: LINE_EVERY_S
    bar_pace: Callable[[], float] = lambda: BAR_EVERY_S


@contextmanager
def reporting(
    what: str, look: Look[T], say: Say, *, quiet: bool, total: float | None = None
) -> Iterator[ProgressReport[T]]:
    """A progress report titled `what`: a bar on a terminal; lines otherwise or if `quiet`."""
    if quiet or not sys.stdout.isatty():
        yield ProgressLines(say, look.line, look.line_pace)
        return
    with Progress(*look.columns, transient=True) as progress:
        yield ProgressBar(progress, progress.add_task(what, total=total), look.fields, look.bar_pace)


@contextmanager
def reporting_bytes(what: str, total: float, say: Say, *, quiet: bool) -> Iterator[ProgressReport[float]]:
    """A progress report on the completed share of about `total` bytes."""
    columns = (
        TextColumn("  {task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    look = Look[float](
        lambda done: f"  {what}: {show(done, 'bytes')} of about {show(total, 'bytes')}",
        lambda done: {"completed": done},
        columns,
    )
    with reporting(what, look, say, quiet=quiet, total=total) as report:
        yield report


def watch(work: Callable[[], None], reached: Callable[[], T], report: ProgressReport[T]) -> None:
    """Runs `work` and reports the progress that `reached` returns. An interrupt stops the work.

    Raises:
        StepFailed: as `work` does.
    """
    with ThreadPoolExecutor(1) as pool:
        doing = pool.submit(work)
        try:
            while not _ended(doing, report.every_s):
                with suppress(MeasurementError):
                    report(reached())
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
