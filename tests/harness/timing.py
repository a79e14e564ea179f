"""Durations of a test run by part and by test, summed over all processes.

Each process writes what it measured into the folder that OPSPROOF_TIMES names. `python -m tests.harness.timing FOLDER`
prints the table of parts, the slowest tests, and one closing line like pytest's own, which counts the tests of all
processes; `python -m tests.harness.timing FOLDER --add PART SECONDS` adds the time of a step that no test takes.
"""

import argparse
import json
import os
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SLOWEST = 20
NAMED, REASON = 30, 160
"""The most failed tests to name, and the most characters of a reason."""
WIDTH = 80
OUTCOMES = ("failed", "error", "passed", "skipped")
SPENT: Counter[str] = Counter()
"""Seconds by part, in this process."""
_OPEN: list[list[float]] = []


@contextmanager
def part(name: str) -> Iterator[None]:
    """Adds the time of a block to a part; time of a nested part counts only for the nested part."""
    began, inner = time.monotonic(), [0.0]
    _OPEN.append(inner)
    try:
        yield
    finally:
        lasted = time.monotonic() - began
        _OPEN.pop()
        SPENT[name] += lasted - inner[0]
        if _OPEN:
            _OPEN[-1][0] += lasted


def group(item: pytest.Item) -> str:
    """The part of a test: kills, or the folder of its file."""
    if item.get_closest_marker("kills"):
        return "kills"
    inside = item.path.relative_to(Path(__file__).parents[1]).parts
    return f"tests of {inside[0]}" if len(inside) > 1 else "tests at the top level"


class Recorder:
    """A pytest plugin that records durations and outcomes of tests."""

    def __init__(self, *, is_worker: bool) -> None:
        self.is_worker = is_worker
        self.counts: Counter[str] = Counter()
        self.tests: Counter[str] = Counter()
        self.broken: dict[str, str] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item):
        """Measures a test with fixtures, without nested parts."""
        with part(group(item)):
            return (yield)

    def pytest_runtest_logreport(self, report):
        """Records outcome and duration of each test, in the controller or without workers."""
        self.tests[report.nodeid] += report.duration
        if report.when == "call" or report.outcome != "passed":
            is_error = report.failed and report.when != "call"
            self.counts["error" if is_error else report.outcome] += 1
        if report.failed:
            self.broken[report.nodeid] = reason(report)

    def pytest_sessionfinish(self):
        """Writes the figures of the process; a worker's tests are counted by the controller."""
        tests = dict(self.tests.most_common(SLOWEST))
        seen = {} if self.is_worker else {"counts": self.counts, "tests": tests, "broken": self.broken}
        write({"parts": SPENT, **seen})


def reason(report):
    """The line of pytest's message at which a test failed, shortened."""
    crash = getattr(report.longrepr, "reprcrash", None)
    lines = str(crash.message if crash else report.longrepr or "").strip().splitlines()
    return (lines[0] if lines else "no message")[:REASON]


def untimed(environment):
    """The environment of runs that are started by a test and must not count as tests themselves."""
    return {name: value for name, value in environment.items() if name != "OPSPROOF_TIMES"}


def write(record, folder=None):
    """Writes a process's figures for the summary; does nothing without a folder."""
    folder = folder or os.environ.get("OPSPROOF_TIMES")
    if folder:
        (Path(folder) / f"{uuid.uuid4().hex}.json").write_text(json.dumps(record), encoding="utf-8")


def read(folder):
    """The sums over all records: seconds by part, tests by outcome, seconds by test, and the reason of each failure."""
    sums = {"parts": Counter(), "counts": Counter(), "tests": Counter(), "broken": {}}
    for path in Path(folder).rglob("*.json"):
        for key, values in json.loads(path.read_text(encoding="utf-8")).items():
            sums[key].update(values)
    return sums


def summary(sums, wall_s):
    """The lines to print, with the closing line at the end."""
    total = sum(sums["parts"].values())
    lines = ["", f"{'part':<32} {'seconds':>8}  share"]
    lines += [f"{name:<32} {spent:8.1f}  {spent / total:5.1%}" for name, spent in sums["parts"].most_common()]
    lines += [f"{'all parts':<32} {total:8.1f}", f"{'on the clock, side by side':<32} {wall_s:8.1f}", ""]
    lines += [f"the slowest {SLOWEST} tests"]
    lines += [f"{spent:8.1f}  {name}" for name, spent in sums["tests"].most_common(SLOWEST)]
    return [*lines, "", *failures(sums["broken"]), closing(sums["counts"], wall_s)]


def failures(broken):
    """The failed tests, each with its reason, and a number for the rest."""
    lines = [f"FAILED {name} - {why}" for name, why in list(broken.items())[:NAMED]]
    return [*lines, *([f"and {len(broken) - NAMED} more failed"] if len(broken) > NAMED else [])]


def closing(counts, wall_s):
    """A line like pytest's last line."""
    minutes, seconds = divmod(int(wall_s), 60)
    said = ", ".join(f"{counts[each]} {each}" for each in OUTCOMES if counts[each]) or "no tests ran"
    clock = f" ({minutes // 60}:{minutes % 60:02}:{seconds:02})" if wall_s >= 60 else ""
    return f" {said} in {wall_s:.2f}s{clock} ".center(WIDTH, "=")


def main(words=None):
    """Prints the summary; returns 1 if a test failed or no test ran."""
    parser = argparse.ArgumentParser(prog="python -m tests.harness.timing", description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--add", nargs=2, metavar=("PART", "SECONDS"))
    parser.add_argument("--wall", type=float, default=0.0, help="seconds on the clock")
    parser.add_argument("--status", type=int, default=0, help="not 0: a step failed, maybe without a failed test")
    chosen = parser.parse_args(words)
    if chosen.add:
        write({"parts": {chosen.add[0]: float(chosen.add[1])}}, chosen.folder)
        return 0
    sums = read(chosen.folder)
    counts = sums["counts"]
    if chosen.status and not counts["failed"] and not counts["error"]:
        counts["error"] = 1
    print("\n".join(summary(sums, chosen.wall)))  # noqa: T201
    return int(bool(counts["failed"] or counts["error"] or not counts["passed"]))


if __name__ == "__main__":
    sys.exit(main())
