"""Cost of a round before any measurement, against pytest without tests."""

import sys
import tempfile
from pathlib import Path

import pytest
from bench import Bench
from measure import Row, Spent, alternate, medians, row, spend


def startup(bench: Bench) -> list[Row]:
    """Processor time in seconds until the checks of the daily round are collected."""
    sides = alternate(bench.runs, lambda: bench.daily("--collect-only", "-q"), _empty)
    cpu = medians(lambda each: each.cpu_s, *sides)
    return [row("collecting the daily round / an empty test file, processor time", cpu, "s", goal=0.5, goal_for="ours")]


def _empty() -> Spent:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "test_empty.py").touch()
        words = [sys.executable, "-m", "pytest", "--collect-only"]
        return spend(words, folder=Path(folder), statuses=(pytest.ExitCode.NO_TESTS_COLLECTED,))
