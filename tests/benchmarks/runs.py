"""The index of a folder of reports whose history holds 10,000 runs: time to write it, and its size."""

import random
import sys
import time
from pathlib import Path
from statistics import median

from bench import Bench
from measure import ENVIRONMENT, Row, row, spend
from years import INVENTORY, ROUND, Fleet

from opsproof.history.store import History

RUNS, APART_S = 10_000, 3600.0
FLEET = Fleet(4, 20, RUNS)


def runs(bench: Bench) -> list[Row]:
    """Medians in seconds and megabytes; nothing to compare with."""
    reports = bench.folder / "runs"
    reports.mkdir(parents=True)
    _record(History(reports / "history.sqlite"))
    seconds = median(_write(bench, reports) for _ in range(bench.runs))
    size_mb = (reports / "index.html").stat().st_size / 1e6
    name = f"index after {RUNS:,} runs"
    return [
        row(f"{name}: time to write", (seconds, 0), "s", goal=1.0, goal_for="ours"),
        row(f"{name}: size", (size_mb, 0), "MB"),
    ]


def _record(history: History) -> None:
    chance, now = random.Random(7), time.time()
    for number in range(RUNS):
        history.add(now - (RUNS - number) * APART_S, INVENTORY, ROUND, FLEET.verdicts(number, chance))
    assert history.complaints == []


def _write(bench: Bench, reports: Path) -> float:
    words = ["-m", "daily", f"--inventory={bench.inventory}", f"--reports={reports}"]
    words += ["-q", "-p", "tests.harness.index_time"]
    spend([sys.executable, "-m", "pytest", *words], environment=ENVIRONMENT, statuses=(0, 1, 6))
    return float((reports / "index.seconds").read_text())
