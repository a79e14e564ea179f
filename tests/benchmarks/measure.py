"""Cost of a command, and rows that compare our figure with a baseline."""

import os
import resource
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TypeVar

REPOSITORY = Path(__file__).parents[2]
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""The caller's environment, with caching of bytecode enabled."""

T = TypeVar("T")
Row = dict[str, object]
"""A compared figure, as returned by `row`."""


class RunFailedError(Exception):
    """A measured command had an unexpected exit status; the message has the output."""


@dataclass(frozen=True)
class Spent:
    """Wall time, processor time (user and system, with children) and output of a command."""

    wall_s: float
    cpu_s: float
    printed: str


def spend(
    words: list[str],
    folder: Path = REPOSITORY,
    environment: dict[str, str] = ENVIRONMENT,
    statuses: tuple[int, ...] = (0,),
) -> Spent:
    """Runs a program to its end and measures the cost.

    Raises:
        RunFailedError: the exit status is not in `statuses`.
    """
    cpu_before, started = _cpu_s(), time.perf_counter()
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    wall_s = time.perf_counter() - started
    if done.returncode not in statuses:
        raise RunFailedError(f"{words[0]} ended with status {done.returncode}:\n{done.stdout}{done.stderr}")
    return Spent(wall_s, _cpu_s() - cpu_before, done.stdout)


def _cpu_s() -> float:
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime


def medians(value: Callable[[T], float], ours: list[T], baseline: list[T]) -> tuple[float, float]:
    """The median of a value over the results of each side."""
    return median(map(value, ours)), median(map(value, baseline))


def alternate(runs: int, *sides: Callable[[], T]) -> list[list[T]]:
    """Runs `sides` alternately, after a warm-up turn; returns the results of each side."""
    rounds = [[side() for side in sides] for _ in range(runs + 1)]
    return [list(results) for results in zip(*rounds[1:], strict=True)]


def row(name: str, figures: tuple[float, float], unit: str, goal: float | None = None, goal_for: str = "ratio") -> Row:
    """Our figure and the baseline's; the goal is the maximum of `goal_for`: ``ratio`` or ``ours``.

    A baseline of 0 has no ratio.
    """
    ours, baseline = figures
    ratio = ours / baseline if baseline else None
    judged = ours if goal_for == "ours" else ratio
    return {
        "name": name,
        "ours": round(ours, 4),
        "baseline": round(baseline, 4),
        "unit": unit,
        "ratio": None if ratio is None else round(ratio, 3),
        "goal": goal,
        "goal_for": goal_for,
        "met": None if goal is None or judged is None else judged <= goal,
    }
