"""The installed wheel works in an empty folder with no clone in reach."""

import ast
import re
import shlex
import tomllib
import zipfile
from xml.etree import ElementTree as ET

import pytest

from opsproof.core.errors import DatabaseError
from opsproof.core.installation import rights_command
from opsproof.facts.findings import privileged_rows
from opsproof.postgres.connection import Result

NOT_IN_WHEEL = re.compile(r"(?<![\w/])(?:docs/|README|CONTRIBUTING|tests/|lab/)")


@pytest.fixture
def inventory(estate, production):
    """An inventory of the tests, with the path of its limits in full: the wheel has no folder of inventories."""
    return estate(full=831, calm=120)


def shown(printed):
    """The lines of findings and of files, without the percentage at the end."""
    lines = [line for line in printed.splitlines() if line.startswith(("FAILED", "WARNED", "checks/"))]
    return [line.partition("  ")[0] if line.startswith("checks/") else line for line in lines]


def test_wheel_has_every_check_action_and_data_file(wheel, repository):
    names = {each for each in zipfile.ZipFile(wheel).namelist() if not each.startswith("opsproof-")}
    of_package = {
        f"opsproof/{path.relative_to(repository / 'src' / 'opsproof')}"
        for path in (repository / "src" / "opsproof").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    beside = {
        f"opsproof/{path.relative_to(repository)}"
        for folder in ("checks", "actions")
        for path in (repository / folder).rglob("*.py")
    }
    assert names == of_package | beside | {"opsproof/inventory/metachat.toml"}


def test_init_copies_the_limits(installed, repository):
    done = installed.run("init", "local://")
    assert (done.returncode, done.stderr) == (0, "")
    shipped = tomllib.loads((repository / "inventory" / "metachat.toml").read_text(encoding="utf-8"))
    assert tomllib.loads(done.stdout)["limits"] == shipped["limits"]


@pytest.mark.parametrize("words", [["--help"], ["do", "--help"], ["daily", "--help"], ["do", "backup", "--help"]])
def test_help_works(installed, words):
    done = installed.run(*words)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: opsproof")


def test_round_gives_the_verdicts_of_the_clone(installed, inventory, prove, tmp_path):
    words = ("-k", "disk or inodes or mount", f"--inventory={inventory}")
    found = installed.run("daily", *words, f"--reports={tmp_path}/reports")
    here = prove(inventory, "-m", "daily", "-k", "disk or inodes or mount")
    assert found.returncode == here.status == 1, found.stdout + found.stderr
    assert shown(found.stdout) == shown(here.text) != []
    assert len(list((tmp_path / "reports").glob("*_selected.html"))) == 1


def test_installed_limits_can_be_extended(installed):
    path = installed.folder / "own.toml"
    path.write_text('extends = "opsproof:metachat.toml"\n[hosts.own]\ntransport = "local://"\n', encoding="utf-8")
    explained = installed.run("checks", "test_load_is_within_limit", f"--inventory={path}")
    assert "load_per_core: must < 4, should < 1.5" in explained.stdout


def test_remedy_of_a_report_works_as_printed(installed, too_old):
    found = installed.run("weekly", f"--inventory={too_old}")
    (command,) = [line.partition("next: ")[2] for line in found.stdout.splitlines() if "next: " in line]
    assert command.endswith(" --host h --apply out")
    assert command.startswith(f"opsproof do clean_logs --inventory={too_old} ")
    done = installed.run(*command.replace(" --apply", "").split()[1:])
    assert (done.returncode, "out__2020" in done.stdout) == (0, True), done.stderr


def test_host_and_inventory_are_taken_after_a_space_too(installed, inventory):
    found = installed.run("daily", "disks", "--inventory", inventory, "--host", "full", "--reports", "one")
    (report,) = (installed.folder / "one").glob("*.xml")
    names = [case.get("name") for case in ET.parse(report).getroot().iter("testcase")]
    assert found.returncode == 1, found.stdout + found.stderr
    assert names
    assert [name for name in names if "[full-" not in name] == []


def test_workers_run_too(installed, inventory, tmp_path):
    found = installed.run("daily", "-n", "2", "disks", f"--inventory={inventory}", f"--reports={tmp_path}/reports")
    assert found.returncode == 1, found.stdout + found.stderr
    assert "/data: disk used 83.1 % (limit < 80 %)" in found.stdout


def test_action_plans(installed, inventory):
    done = installed.run("do", "clean_logs", f"--inventory={inventory}")
    assert done.returncode == 2
    assert done.stderr == "clean_logs: --host is required: full or calm\n"


def test_action_is_named_as_typed(installed):
    done = installed.run("do", "backup", "--bakcup=x")
    assert (done.returncode, done.stderr) == (
        2,
        "opsproof do backup: unrecognized arguments: --bakcup=x: see opsproof do backup --help\n",
    )


def messages(source):
    """The strings of a module, without its docstrings."""
    tree = ast.parse(source)
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    texts = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return [node.value for node in texts if id(node) not in docs]


def test_no_message_leads_to_a_file_outside_the_wheel(wheel):
    archive = zipfile.ZipFile(wheel)
    sources = {name: archive.read(name) for name in archive.namelist() if name.endswith(".py")}
    found = [(name, text) for name, each in sources.items() for text in messages(each) if NOT_IN_WHEEL.search(text)]
    found = [
        each
        for each in found
        if each[0] not in ("opsproof/command/checks_page.py", "opsproof/inventory/metrics_table.py")
    ]
    assert found == []


def test_missing_right_names_a_command_that_works(installed):
    with pytest.raises(DatabaseError) as caught:
        privileged_rows(Result(error="permission denied for table pg_statistic"))
    command = rights_command("monitor.sql")
    assert str(caught.value) == f"permission denied for table pg_statistic: run the SQL of {command}"
    path = installed.folder / "shop.toml"
    database = '[hosts.h.databases.shop]\ndsn = "dbname=shop user=opsproof_monitor"\n'
    path.write_text(
        f'extends = "opsproof:metachat.toml"\n[hosts.h]\ntransport = "local://"\n{database}', encoding="utf-8"
    )
    _, *words = shlex.split(command.replace("FILE", str(path)))
    done = installed.run(*words)
    assert (done.returncode, done.stderr) == (0, "")
    assert "GRANT pg_monitor TO opsproof_monitor" in done.stdout
