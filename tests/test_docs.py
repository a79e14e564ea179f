"""Documents match the code: keys, options, links and targets exist, examples work."""

import re
import sqlite3
import subprocess
import sys
import tomllib

import pytest

from lab.postgres import SUPERUSER
from opsproof import plugin
from opsproof.command.main import COMMANDS
from opsproof.core.errors import InventoryError
from opsproof.core.limits import Measurement
from opsproof.core.rounds import ROUNDS
from opsproof.core.units import UNITS
from opsproof.core.verdicts import ORDER, Verdict
from opsproof.history.store import History
from opsproof.inventory import backups, data, endpoints, hosts, logs, ports, resources, services
from opsproof.inventory.hosts import RESOURCES
from opsproof.inventory.load import load
from opsproof.round import judging
from tests.harness.documents import (
    ACTIONS,
    CONTRIBUTING,
    DESIGN,
    DISASTER,
    DOCUMENTS,
    INVENTORY,
    PRIVILEGES,
    README,
    ROOT,
    RUNBOOK,
    blocks,
    first_column,
    id_of,
    named,
    prose,
    section,
    text_of,
)


@pytest.mark.parametrize(("path", "most"), [(README, 150), (CONTRIBUTING, 170), (DESIGN, 350)], ids=id_of)
def test_document_is_short(path, most):
    assert len(text_of(path).splitlines()) <= most


@pytest.mark.parametrize(
    ("heading", "model"),
    [
        ("Top level", hosts.InventoryFile),
        ("Limits", resources.Rule),
        ("Waivers", hosts.Waiver),
        ("Acknowledged findings", hosts.Acknowledgement),
        ("`pm2`", resources.Pm2),
        ("`clock`", resources.Clock),
        ("`logs`", logs.Log),
        ("`rotation`", resources.Rotation),
        ("`endpoints`", endpoints.Endpoint),
        ("`mounts`", resources.Mount),
        ("`databases`", resources.Database),
        ("`partitioned`", resources.Partitioned),
        ("`vector_indexes`", resources.VectorIndex),
        ("`backups`", backups.Backup),
        ("`data`", data.Data),
        ("`broker`", services.Broker),
        ("`queues`", services.Queue),
        ("`caches`", services.Cache),
        ("`sshd`", resources.Sshd),
        ("`listening`", ports.Listening),
        ("`ports`", ports.Port),
    ],
)
def test_inventory_table_is_described_key_by_key(heading, model):
    keys = {each.alias or name for name, each in model.model_fields.items()} - (
        set(resources.Resource.model_fields) if issubclass(model, resources.Resource) else set()
    )
    assert set(first_column(section(INVENTORY, heading))) - {"key"} == keys


def test_host_is_described_key_by_key():
    tables = set(RESOURCES.values())
    keys = set(hosts.Host.model_fields) - tables
    assert set(first_column(section(INVENTORY, "A host: `[hosts.NAME]`"))) == keys
    assert set(re.findall(r"^### `(\w+)`$", text_of(INVENTORY), re.MULTILINE)) == tables


def test_every_resource_argument_is_listed():
    listed = re.findall(r"`([^`]+)`", section(INVENTORY, "Resources"))
    assert set(RESOURCES) <= set(listed)


def test_units_are_described_with_suffixes():
    rows = section(INVENTORY, "Units")
    assert set(first_column(rows)) == {*UNITS, "word"}
    for unit in ("bytes", "seconds"):
        (row,) = [line for line in rows.splitlines() if line.startswith(f"| {unit} ")]
        assert set(re.findall(r"[A-Za-z]+", " ".join(re.findall(r"`([^`]+)`", row.split("|")[2])))) == set(UNITS[unit])


class Options(list[str]):
    """Stands in for pytest's parser: keeps the names."""

    def getgroup(self, _name):
        return self

    def addoption(self, *names, **_how):
        self.extend(names)


def own_options():
    options = Options()
    plugin.pytest_addoption(options)
    return list(options)


@pytest.mark.parametrize("option", own_options())
def test_option_is_explained(option):
    assert re.search(rf"{option}\b", text_of(README) + text_of(INVENTORY))


def test_verdicts_and_exit_codes_are_listed():
    listed = first_column(section(README, "Verdicts and exit codes"))
    exits = {*pytest.ExitCode, judging.UNKNOWN_EXIT}
    assert set(listed) - {"exit"} == {*ORDER, *(str(int(each)) for each in exits)}


LINKS = [
    (path, link)
    for path in DOCUMENTS
    for link in re.findall(r"\]\(([^)]+)\)", prose(path))
    if not link.startswith("https://")
]


@pytest.mark.parametrize(("path", "link"), LINKS, ids=id_of)
def test_link_target_exists(path, link):
    file, _, anchor = link.partition("#")
    target = (path.parent / file).resolve() if file else path
    assert target.exists()
    headings = re.findall(r"^#+ (.*)$", prose(target), re.MULTILINE) if anchor else []
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert {anchor} - {""} <= anchors


def test_every_document_is_linked():
    linked = {(path.parent / link.partition("#")[0]).resolve() for path, link in LINKS}
    assert {*DOCUMENTS} - {README} <= linked


def test_named_make_targets_exist():
    targets = set(re.findall(r"^([a-z][a-z-]*):", text_of(ROOT / "Makefile"), re.MULTILINE))
    shown = named(r"(?:^|\n)\s*make ([a-z-]+)")
    assert {"demo", "test", "check"} <= shown
    assert shown <= targets


LAB = ("up", "down", "status", "traffic")
HELP = """
import contextlib, runpy, sys
sys.path.insert(0, "actions")
for script in sys.argv[1:]:
    name, *words = script.split()
    sys.argv = [name, *words, "--help"]
    with contextlib.suppress(SystemExit):
        (runpy.run_path if name.endswith(".py") else runpy.run_module)(name, run_name="__main__")
"""
"""Prints the help of the given modules and scripts, all in a single process."""


@pytest.fixture(scope="session")
def known_options():
    """Every option of pytest with opsproof, of the lab, of actions, and of commands that read."""
    pytest_told = subprocess.check_output([sys.executable, "-m", "pytest", "--help"], cwd=ROOT, text=True)
    scripts = ["lab.__main__", *(f"lab.__main__ {each}" for each in LAB), *(f"actions/{each.name}" for each in ACTIONS)]
    scripts += [f"opsproof.__main__ {name}" for name in COMMANDS if name not in {*ROUNDS, "do"}]
    told = subprocess.check_output([sys.executable, "-c", HELP, *scripts], cwd=ROOT, text=True)
    assert told.count("usage: ") == len(scripts)
    return set(re.findall(r"--[a-z][a-z-]+", pytest_told + told))


def test_named_options_exist(known_options):
    ours = [
        path for path in DOCUMENTS if path not in {PRIVILEGES, RUNBOOK, DISASTER}
    ]  # show options of the host's tools
    shown = named(r"(?<![\w-])--[a-z][a-z-]+", ours)
    assert set(own_options()) <= shown
    assert shown <= known_options


def test_named_test_paths_and_rounds_exist():
    paths = named(r"pytest ((?:checks|tests)[\w/.]*)")
    rounds = named(r"(?:^|\s)-m ([a-z]+)") - {"lab", "opsproof"}
    pyproject = tomllib.loads(text_of(ROOT / "pyproject.toml"))
    declared = [*pyproject["tool"]["pytest"]["ini_options"]["markers"], *plugin._MARKERS]
    markers = {each.partition(":")[0] for each in declared}
    assert [each for each in paths if not (ROOT / each).exists()] == []
    assert paths
    assert {"daily", "weekly", "predeploy", "postdeploy"} <= rounds <= markers


@pytest.fixture
def written(tmp_path):
    """Writes an example beside a copy of the production inventory."""
    (tmp_path / "metachat.toml").write_text(text_of(ROOT / "inventory" / "metachat.toml"), encoding="utf-8")

    def write(text):
        path = tmp_path / "example.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


EXAMPLES = blocks(INVENTORY, "toml")
COMPLETE = [each for each in EXAMPLES if each.startswith("# complete\n")]
WRONG = [each for each in EXAMPLES if each.startswith("# wrong: ")]


def test_every_example_is_marked_complete_or_wrong():
    assert len(COMPLETE) >= 1
    assert len(WRONG) >= 1
    assert len(COMPLETE) + len(WRONG) == len(EXAMPLES)


@pytest.mark.parametrize("example", COMPLETE, ids=range(len(COMPLETE)))
def test_complete_example_loads(written, example):
    assert "vps-01" in load(written(example)).hosts


def test_first_example_declares_every_resource(written):
    inventory = load(written(COMPLETE[0]))
    assert [resource for resource in RESOURCES if not inventory.hosts["vps-01"].resources(resource)] == []
    assert inventory.waivers


@pytest.mark.parametrize("example", WRONG, ids=range(len(WRONG)))
def test_wrong_example_raises_the_quoted_message(written, example):
    path = written(example)
    with pytest.raises(InventoryError) as caught:
        load(path)
    assert str(caught.value) == f"{path}: {example.splitlines()[0].removeprefix('# wrong: ')}"


COPIES = [each.split("\n", maxsplit=1) for language in ("python", "toml") for each in blocks(CONTRIBUTING, language)]


@pytest.mark.parametrize(("source", "code"), COPIES, ids=[source for source, _ in COPIES])
def test_example_is_quoted_from_the_code(source, code):
    assert code in text_of(ROOT / source.removeprefix("# "))


def test_recording_of_the_example_exists():
    (recording,) = named(r"> (tests/recorded/\S+)", [CONTRIBUTING])
    assert (ROOT / recording).is_file()


def test_monitoring_role_sees_statistics(postgres):
    sql = text_of(ROOT / "docs" / "privileges" / "monitor.sql")
    with postgres.server.connect(SUPERUSER, postgres.password, "postgres") as connection:
        connection.execute(sql.encode())
        try:
            connection.execute("SET ROLE opsproof_monitor")
            query = "SELECT count(*) FROM pg_stat_activity WHERE query = '<insufficient privilege>'"
            assert connection.execute(query).fetchone() == (0,)
        finally:
            connection.execute("RESET ROLE")
            connection.execute("DROP OWNED BY opsproof_monitor")
            connection.execute("DROP ROLE opsproof_monitor")


def test_history_query_of_the_readme_works(tmp_path):
    (command,) = [each for each in blocks(README, "sh") if each.startswith("sqlite3 ")]
    query = command.split('"')[1]
    measured = Measurement("memory available", 94.5, "percent", "> 5 %", "passed", "")
    verdict = Verdict("test_memory_is_available[lab]", "lab", "", measurements=[measured])
    History(tmp_path / "history.sqlite").add(0.0, "lab.toml", "daily", [verdict])
    connection = sqlite3.connect(tmp_path / "history.sqlite")
    assert connection.execute(query).fetchall() == [("1970-01-01 00:00:00", 94.5, "percent")]
    connection.close()
