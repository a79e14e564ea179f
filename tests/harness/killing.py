"""Kills actions at a given moment after they have shown their plan."""

import select
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lab.waiting import wait_until

PLANNED_WITHIN_S = 60
ENDED_WITHIN_S = 90
FREE_WITHIN_S = 60
REFUSED = 3


@contextmanager
def ending(process: "subprocess.Popen[str]") -> Iterator["subprocess.Popen[str]"]:
    """Kills the process at the end of the block, even a halted process."""
    with process:
        try:
            yield process
        finally:
            process.kill()


def await_plan(process: "subprocess.Popen[str]") -> None:
    """Reads the first line of an action's plan; the first step begins right after."""
    assert process.stdout is not None
    readable, _, _ = select.select([process.stdout], [], [], PLANNED_WITHIN_S)
    assert readable, f"no plan within {PLANNED_WITHIN_S} s"
    first = process.stdout.readline()
    assert first.startswith("plan of "), first or process.communicate(timeout=ENDED_WITHIN_S)


def course_s(process: "subprocess.Popen[str]", statuses: Sequence[int] = (0,)) -> float:
    """Seconds from an action's plan to the end, without a kill."""
    await_plan(process)
    began = time.monotonic()
    _, said = process.communicate(timeout=ENDED_WITHIN_S)
    assert process.returncode in statuses, said
    return time.monotonic() - began


def once_free(run: Callable[[], "subprocess.CompletedProcess[str]"]) -> "subprocess.CompletedProcess[str]":
    """Repeats a run until not refused: commands outliving their action hold the host's lock."""

    def unless_refused() -> "subprocess.CompletedProcess[str] | None":
        if "@opsproof-" in Path("/proc/net/unix").read_text():
            return None
        done = run()
        return done if done.returncode != REFUSED else None

    return wait_until(unless_refused, "the host is free", FREE_WITHIN_S)


def as_text(moments: Sequence[float]) -> str:
    """Moments as whole percents of a course."""
    return ", ".join(f"{each:.0%}" for each in moments)
