"""Each benchmark has a separate folder; docs/performance.md uses the names of the measured rows."""

import ast
import importlib
import re
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
from rich.console import Console

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "tests" / "benchmarks"
FLEET_TABLE = {r".+\ hosts\ over\ ssh,\ \-n\ .+:\ wall\ /\ processor\ time\ of\ a\ host"}


@pytest.fixture
def module(monkeypatch):
    """Imports a module of the benchmarks for the duration of a test."""
    monkeypatch.syspath_prepend(FOLDER)
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if Path(getattr(sys.modules[name], "__file__", None) or "/").parent == FOLDER:
            del sys.modules[name]


def test_each_benchmark_has_a_folder_of_its_own(module, monkeypatch, tmp_path):
    suite, backup, bench = module("suite"), module("backup"), module("bench")
    sizes = []

    def dump(given):
        sizes.append(backup._size(given.folder, "*"))
        (given.folder / "metachat.sql.gz").write_bytes(b"dump")
        sizes.append(backup._size(given.folder, "*"))
        return []

    given = bench.Bench(None, tmp_path / "lab.toml", tmp_path, 1)
    monkeypatch.setattr(suite, "started", lambda _runs: nullcontext(given))
    monkeypatch.setattr(suite, "BENCHMARKS", {"one": dump, "other": dump})
    suite._measure(["one", "other"], 1, Console(quiet=True))
    assert sizes == [0, 4, 0, 4]


def test_zero_baseline_has_no_ratio(module):
    row = module("measure").row
    assert row("lines lost", (0, 0), "lines", goal=0, goal_for="ours")["met"] is True
    assert row("time", (1, 0), "s", goal=2)["met"] is None


def test_figures_have_the_names_of_measured_rows():
    table = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8").partition("## Figures")[2]
    named = re.findall(r"^\| (.+?) \|", table.partition("\n\n**")[0], re.MULTILINE)[1:]
    patterns = {_pattern(name) for path in FOLDER.glob("*.py") for name in _names(path)}
    assert len(named) > 30
    assert [name for name in named if not any(re.fullmatch(pattern, name) for pattern in patterns)] == []
    unnamed = {pattern for pattern in patterns if not any(re.fullmatch(pattern, name) for name in named)}
    assert unnamed == FLEET_TABLE


def _names(path):
    """The first argument of each call of `row` in a module."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "row":
            yield node.args[0]


def _pattern(name):
    """A pattern for a text or an f-string; anything else raises an error."""
    parts = name.values if isinstance(name, ast.JoinedStr) else [name]
    return "".join(".+" if isinstance(part, ast.FormattedValue) else re.escape(part.value) for part in parts)
