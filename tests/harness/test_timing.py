"""Durations are summed over all processes, and the last line has pytest's format."""

import json
import os
import re
import subprocess
import sys

import pytest

from tests.harness import timing

SUITE = """
import time, pytest
from tests.harness import timing

def test_quick():
    with timing.part("rounds"):
        time.sleep(0.2)

def test_wrong():
    assert False

@pytest.fixture
def broken():
    raise ValueError

def test_error(broken):
    pass

@pytest.mark.skip
def test_left_out():
    pass
"""


@pytest.fixture
def spent(monkeypatch):
    monkeypatch.setattr(timing, "SPENT", timing.Counter())
    monkeypatch.setattr(timing, "_OPEN", [])
    return timing.SPENT


def test_time_of_an_inner_part_counts_once(spent, monkeypatch):
    clock = iter([0.0, 1.0, 4.0, 5.0])
    monkeypatch.setattr(timing.time, "monotonic", lambda: next(clock))
    with timing.part("outer"), timing.part("inner"):
        pass
    assert spent == {"outer": 2.0, "inner": 3.0}


def test_records_of_all_processes_are_summed(tmp_path):
    for number in (1, 2):
        timing.write({"parts": {"apt": number}, "counts": {"passed": number}, "tests": {"a": 1.0}}, tmp_path)
    (tmp_path / "lane").mkdir()
    timing.write({"parts": {"apt": 4}}, tmp_path / "lane")
    sums = timing.read(tmp_path)
    assert (sums["parts"]["apt"], sums["counts"]["passed"], sums["tests"]["a"]) == (7, 3, 2.0)


@pytest.mark.parametrize(
    ("counts", "wall_s", "line"),
    [
        ({"passed": 4853, "failed": 1, "skipped": 2}, 3461.4, "1 failed, 4853 passed, 2 skipped in 3461.40s (0:57:41)"),
        ({"passed": 3, "error": 1}, 2.0, "1 error, 3 passed in 2.00s"),
        ({}, 0.5, "no tests ran in 0.50s"),
    ],
)
def test_closing_line_reads_as_that_of_pytest(counts, wall_s, line):
    said = timing.closing(timing.Counter(counts), wall_s)
    assert said.strip("=").strip() == line
    assert said.startswith("=")


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["one process", "two workers"])
def test_a_session_leaves_its_figures(tmp_path, repository, workers):
    (tmp_path / "test_suite.py").write_text(SUITE)
    plugin = "import pytest\nfrom tests.harness import timing\n\ndef pytest_configure(config):\n"
    plugin += "    timing.group = lambda item: 'tests of some'\n"
    plugin += "    config.pluginmanager.register(timing.Recorder(is_worker=hasattr(config, 'workerinput')))\n"
    (tmp_path / "conftest.py").write_text(plugin)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    environment = {**os.environ, "OPSPROOF_TIMES": str(tmp_path), "PYTHONPATH": str(repository)}
    words = [sys.executable, "-m", "pytest", "-q", "--disable-plugin-autoload", "-p", "xdist.plugin", *workers]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1, done.stdout + done.stderr
    sums = timing.read(tmp_path)
    assert sums["counts"] == {"passed": 1, "failed": 1, "error": 1, "skipped": 1}
    assert sums["parts"]["rounds"] == pytest.approx(0.2, abs=0.15)
    assert sums["parts"]["tests of some"] > 0
    assert len(sums["tests"]) == 4
    assert sums["broken"] == {"test_suite.py::test_wrong": "assert False", "test_suite.py::test_error": "ValueError"}


@pytest.mark.parametrize(
    ("counts", "status"), [({"passed": 1}, 0), ({"passed": 1, "failed": 1}, 1), ({"passed": 1, "error": 1}, 1), ({}, 1)]
)
def test_summary_ends_in_the_closing_line_and_fails_with_its_tests(tmp_path, capsys, counts, status):
    (tmp_path / "one.json").write_text(json.dumps({"parts": {"apt": 3.0}, "counts": counts, "tests": {"slow": 9.0}}))
    assert timing.main([str(tmp_path), "--wall", "75"]) == status
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"=+ .* in 75\.00s \(0:01:15\) =+", lines[-1])
    assert any(line.startswith("apt") for line in lines)
    assert any(line.endswith("slow") for line in lines)


@pytest.mark.parametrize(("counts", "said"), [({"passed": 1}, "1 error, 1 passed"), ({"failed": 2}, "2 failed in")])
def test_closing_line_tells_of_a_step_that_failed_without_a_test(tmp_path, capsys, counts, said):
    timing.write({"parts": {"apt": 3.0}, "counts": counts}, tmp_path)
    assert timing.main([str(tmp_path), "--status", "1"]) == 1
    assert said in capsys.readouterr().out.splitlines()[-1]


def test_summary_names_the_failed_tests_above_the_closing_line():
    broken = {f"tests/test_a.py::test_{number}": "assert 1 == 2" for number in range(32)}
    sums = {"parts": timing.Counter(a=1.0), "counts": timing.Counter(failed=32), "tests": timing.Counter()}
    lines = timing.summary({**sums, "broken": broken}, 1.0)
    assert lines[-32] == "FAILED tests/test_a.py::test_0 - assert 1 == 2"
    assert lines[-2] == "and 2 more failed"


def test_runs_started_by_tests_do_not_count(prove, tmp_path, monkeypatch):
    times = tmp_path / "times"
    times.mkdir()
    monkeypatch.setenv("OPSPROOF_TIMES", str(times))
    outcome = prove(tmp_path / "none.toml", "tests/core/test_intervals.py", afresh=True)
    assert outcome.status == 0, outcome.text
    assert list(times.iterdir()) == []
