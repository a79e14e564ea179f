"""The page of a run with many verdicts: time to write, size, and time until Chromium shows it."""

import os
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from bench import Bench
from measure import ENVIRONMENT, Row, row, spend

from tests.harness import browser

GOALS = {5_000: (2.0, 3.0, 1.0), 50_000: (None, 15.0, 3.0)}
"""The most seconds to write, megabytes, and seconds until usable, by the number of verdicts."""
USABLE = """new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(
    () => done(performance.now() / 1000))))"""


def page(bench: Bench) -> list[Row]:
    """Medians in seconds and megabytes; nothing to compare with."""
    os.environ["OPSPROOF_REQUIRE_CHROMIUM"] = "1"
    with browser.chromium() as chromium:
        return [each for count in GOALS for each in _figures(bench, count, chromium)]


def _figures(bench: Bench, count: int, chromium: Any) -> list[Row]:
    written = [_write(bench, count) for _ in range(bench.runs)]
    path, size_mb = written[-1][0], written[-1][0].stat().st_size / 1e6
    shown_s = median(_show(path, chromium) for _ in range(bench.runs))
    most_s, most_mb, most_shown_s = GOALS[count]
    written_s = median(seconds for _, seconds in written)
    return [
        row(f"page of {count:,} verdicts: time to write", (written_s, 0), "s", goal=most_s, goal_for="ours"),
        row(f"page of {count:,} verdicts: size", (size_mb, 0), "MB", goal=most_mb, goal_for="ours"),
        row(
            f"page of {count:,} verdicts: time until usable in Chromium",
            (shown_s, 0),
            "s",
            goal=most_shown_s,
            goal_for="ours",
        ),
    ]


def _write(bench: Bench, count: int) -> tuple[Path, float]:
    reports = Path(tempfile.mkdtemp(dir=bench.folder))
    words = ["checks/disks", f"--inventory={bench.inventory}", f"--reports={reports}"]
    environment = {**ENVIRONMENT, "OPSPROOF_MANY": str(count)}
    spend([sys.executable, "-m", "pytest", "-q", "-p", "tests.harness.many", *words], environment=environment)
    (path,) = reports.glob("*_*.html")
    return path, float(path.with_suffix(".seconds").read_text())


def _show(path: Path, chromium: Any) -> float:
    tab = chromium.new_page(viewport={"width": 1280, "height": 900})
    tab.goto(path.as_uri())
    tab.wait_for_selector("html[data-ready]", state="attached")
    seconds: float = tab.evaluate(USABLE)
    tab.close()
    return seconds
