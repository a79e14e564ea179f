"""Values of the command lines of all actions."""

import importlib.util
import re
import subprocess
import sys

import pytest

from opsproof.action import Action
from opsproof.action.options import parser


@pytest.fixture(scope="module")
def parsers(repository):
    found = {}
    for path in sorted((repository / "actions").glob("*.py")):
        spec = importlib.util.spec_from_file_location(f"actions_{path.stem}", path)
        module = importlib.util.module_from_spec(spec)
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(path.parent)
            patch.setitem(sys.modules, spec.name, module)
            spec.loader.exec_module(module)
            (action,) = [
                each
                for each in vars(module).values()
                if isinstance(each, type) and issubclass(each, Action) and each.__module__ == spec.name
            ]
            found[path.stem] = parser(action)
    return found


def options_with_value(text):
    return re.findall(r"^  (--[a-z-]+) [A-Z]", text, re.MULTILINE)


def test_no_option_of_any_action_takes_an_empty_value(parsers, capsys):
    tried = []
    for action, parsing in parsers.items():
        for option in options_with_value(parsing.format_help()):
            for words in ([option, ""], [option, " "], [f"{option}="]):
                with pytest.raises(SystemExit) as ended:
                    parsing.parse_args(words)
                (line,) = capsys.readouterr().err.splitlines()
                assert ended.value.code == 2, (action, words)
                assert line.startswith(f"actions/{action}.py: argument {option}"), line
            tried.append((action, option))
    assert len({action for action, _ in tried}) == len(parsers) > 10
    assert {("restore", "--into"), ("restore_drill", "--archive"), ("backup", "--inventory")} < set(tried)


@pytest.mark.parametrize(
    ("action", "words", "complaint"),
    [
        ("rotate_logs", [""], "argument LOG: the value is empty"),
        ("vacuum", ["--table=t.a", "--table="], "argument --table: the value is empty"),
        ("backup", ["--inventory=a", "--inventory=a"], "argument --inventory: given twice"),
        ("restore", ["--into=a", "--into", "b"], "argument --into: given twice"),
        ("restore", ["--into=a\nb"], r"argument --into: 'a\nb' contains control characters, or is not UTF-8"),
        ("restore", ["--into=a\x1b[2J"], r"argument --into: 'a\x1b[2J' contains control characters"),
        ("restore", ["--into=\udcff"], r"argument --into: '\udcff' contains control characters, or is not UTF-8"),
        ("rotate_logs", ["a\x7f"], r"argument LOG: 'a\x7f' contains control characters"),
        ("restore", ["--wait=nan"], "argument --wait: 'nan' is not a plain number like 5"),
        ("restore", ["--wait=-1"], "argument --wait: -1 is negative"),
        ("vacuum", ["--wait=-1s"], "argument --wait: -1 is negative"),
        ("vacuum", ["--parallel=1.5"], "argument --parallel: '1.5' is not a whole number"),
        ("add_partitions", ["--ahead=-1"], "argument --ahead: -1 is negative"),
    ],
)
def test_invalid_value_is_a_usage_error_in_one_line(parsers, capsys, action, words, complaint):
    with pytest.raises(SystemExit) as ended:
        parsers[action].parse_args(words)
    (line,) = capsys.readouterr().err.splitlines()
    assert (ended.value.code, line.startswith(f"actions/{action}.py: {complaint}")) == (2, True), line


def test_several_tables_are_accepted(parsers):
    assert parsers["vacuum"].parse_args(["--table=t.a", "--table=t.b"]).table == ["t.a", "t.b"]


class Empty(Action):
    name = "empty"


@pytest.mark.parametrize("name", ["INVENTORY", "REPORTS"])
def test_empty_variable_of_the_environment_is_a_usage_error(monkeypatch, capsys, name):
    monkeypatch.setenv(f"OPSPROOF_{name}", "")
    with pytest.raises(SystemExit) as ended:
        parser(Empty).parse_args([])
    assert ended.value.code == 2
    assert f"argument --{name.lower()}: the value is empty" in capsys.readouterr().err


def test_python_without_opsproof_is_named_in_one_line(repository, parsers):
    for action in parsers:
        words = [sys.executable, "-S", "-E", f"actions/{action}.py"]  # -S: no packages of the virtual environment
        done = subprocess.run(words, cwd=repository, capture_output=True, text=True, check=False)
        message = f"actions/{action}.py: opsproof is not installed for {sys.executable}: use .venv/bin/python\n"
        assert (done.returncode, done.stderr) == (2, message)
