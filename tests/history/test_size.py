"""The size of a history, and the speed of its queries: a cut-down version of tests/benchmarks/years.py."""

import importlib
import sys
import time
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
LIMIT_BYTES_A_VALUE = 200e6 / (2 * 365 * 50 * 200)
"""Two years of 50 hosts with 200 values a day in 200 MB: 27 bytes a value."""


@pytest.fixture
def years(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    before = set(sys.modules)
    yield importlib.import_module("years")
    for name in set(sys.modules) - before:
        if Path(getattr(sys.modules[name], "__file__", None) or "/").parent == BENCHMARKS:
            del sys.modules[name]


def test_history_of_a_fleet_is_small_and_fast(years, tmp_path):
    fleet, path = years.Fleet(hosts=2, checks=200, days=90), tmp_path / "history.sqlite"
    history = years.record(path, fleet)
    assert years.size_bytes(path) / (fleet.days * fleet.hosts * fleet.checks) < LIMIT_BYTES_A_VALUE
    assert min(years.read_page(history, time.process_time) for _ in range(5)) < 0.05
    assert min(years.query_of_the_readme(path, time.process_time) for _ in range(5)) < 0.05
