"""Plausible mistakes in an inventory and on the command line: each is one line that says what to write instead."""

import tomllib
from pathlib import Path

import pytest

from opsproof.command import actions
from opsproof.core.errors import InventoryError
from opsproof.inventory.load import load

TABLES = tomllib.loads(Path(__file__).with_name("mistakes.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("mistake", TABLES["inventory"], ids=lambda each: each["line"].partition(": ")[2])
def test_mistake_in_an_inventory_names_file_key_and_remedy(tmp_path, mistake):
    path = tmp_path / "inventory.toml"
    path.write_text(mistake["text"], encoding="utf-8")
    with pytest.raises(InventoryError) as caught:
        load(path)
    assert str(caught.value) == mistake["line"].replace("FOLDER", str(tmp_path))


@pytest.mark.parametrize("mistake", TABLES["command"], ids=lambda each: " ".join(each["words"]))
def test_mistake_on_the_command_line_is_one_line(opsproof, capsys, mistake):
    try:
        status, out, err = opsproof(*mistake["words"])
    except SystemExit as ended:
        status, (out, err) = ended.code, capsys.readouterr()
    assert (out, err) == ("", f"{mistake['line']}\n")
    assert status in (2, 4)


@pytest.mark.parametrize(
    ("name", "words", "complaint"),
    [
        ("backup", ["--aply"], "unrecognized arguments: --aply: see actions/backup.py --help"),
        ("backup", ["metachat"], "unrecognized arguments: metachat: see actions/backup.py --help"),
        ("backup", ["--backup"], "argument --backup: expected one argument"),
        ("restore", ["--into="], "argument --into: the value is empty (an unset shell variable?)"),
        ("restore", ["--wait=soon"], "argument --wait: 'soon' is not a plain number like 5"),
        ("vacuum", ["--database=a", "--database=b"], "argument --database: given twice"),
        ("analyze", ["--table=public.t", "--all"], "argument --all: not allowed with argument --table"),
    ],
)
def test_mistake_on_the_command_line_of_an_action_is_one_line(capsys, name, words, complaint):
    with pytest.raises(SystemExit) as ended:
        actions.parser(name).parse_args(words)
    assert (ended.value.code, capsys.readouterr().err) == (2, f"actions/{name}.py: {complaint}\n")
