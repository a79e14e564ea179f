"""Every command has a help with examples, and each example works."""

import shlex
import shutil
from contextlib import suppress
from importlib import import_module

import pytest

from opsproof.command import actions
from opsproof.command.main import COMMANDS, main
from opsproof.core.limits import Measurement
from opsproof.core.rounds import ROUNDS
from opsproof.core.verdicts import Verdict
from opsproof.history.store import History

ASKING = ("init", "doctor", "schedule")
"""The commands whose examples contact hosts."""
READING = [name for name in COMMANDS if name not in {*ROUNDS, "do", *ASKING}]


def examples(text):
    """The command lines of a help, without what a shell does with the output."""
    lines = [line.strip() for line in text.partition("examples:\n")[2].splitlines()]
    return [shlex.split(line.partition(">")[0])[1:] for line in lines if line.startswith("opsproof ")]


def printed(capsys, *words):
    with suppress(SystemExit):
        main([*words])
    return capsys.readouterr().out


@pytest.fixture
def folder(tmp_path, monkeypatch, repository):
    """A folder with the inventory of the examples, and a history."""
    shutil.copytree(repository / "inventory", tmp_path / "inventory")
    (tmp_path / "reports").mkdir()
    measured = Measurement("disk used", 50, "percent", "< 80 %", "passed", "")
    verdict = Verdict("test_disk_has_free_space[vps-00-/]", "vps-00", "/", measurements=[measured])
    History(tmp_path / "reports" / "history.sqlite").add(0, "inventory/metachat.toml", "daily", [verdict])
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPSPROOF_INVENTORY", raising=False)
    return tmp_path


@pytest.mark.parametrize("name", READING)
def test_examples_of_commands_that_read_work(folder, capsys, name):
    found = examples(printed(capsys, name, "--help"))
    assert found
    for words in found:
        assert main(words) == 0, words
        assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", ASKING)
def test_examples_of_commands_that_ask_hosts_are_valid(capsys, name):
    found = examples(printed(capsys, name, "--help"))
    assert found
    for words in found:
        import_module(f"opsproof.command.{name}").parser().parse_args(words[1:])


def test_examples_of_the_help_are_of_known_commands(capsys):
    found = examples(printed(capsys, "--help"))
    assert len(found) >= 3
    assert {words[0] for words in found} <= set(COMMANDS)


def test_examples_of_a_round_select_checks(folder, capsys, forked):
    found = examples(printed(capsys, "daily", "--help"))
    assert len(found) == 3
    for words in found:
        done = forked(*words, "--collect-only")
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", list(actions.summaries()))
def test_examples_of_an_action_are_valid(name):
    parsing = actions.parser(name)
    lines = [line.strip() for line in parsing.epilog.partition("examples:\n")[2].splitlines()]
    assert lines
    for line in lines:
        assert line.startswith(f"actions/{name}.py ")
        parsing.parse_args(shlex.split(line)[1:])
