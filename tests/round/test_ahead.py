"""The questions of a run start while pytest collects, from the plan of the run before."""

import json

import pytest

from opsproof.inventory.hosts import Host
from opsproof.round.ahead import LastPlan

WAITS = """
import pathlib, time
FOLDER = pathlib.Path({folder!r})

def asked():
    return (FOLDER / "asked-calm").exists()

if (FOLDER / "wait").exists():
    until = time.monotonic() + 20
    while not asked() and time.monotonic() < until:
        time.sleep(0.02)
    assert asked(), "collected before the host was asked"

def test_own(disks, mount):
    assert disks[mount].used > 0
"""
HOST = Host.model_validate({"transport": "local://", "mounts": {"/": {}}}).placed("vps", ())
FACTS = {"vps": {("disks", "/"), ("memory", "")}}


@pytest.fixture
def plan(tmp_path):
    return lambda *words, cadence="daily": LastPlan(tmp_path, cadence, words)


@pytest.fixture
def run(estate, prove, tmp_path, repository):
    """Runs a check of the test in the same folder of reports; its module waits for the host if told to."""
    path = tmp_path / "test_own.py"
    path.write_text(WAITS.format(folder=str(tmp_path)))
    words = ["-c", f"{repository}/pyproject.toml", "-p", "opsproof.plugin", str(path)]
    (tmp_path / "reports").mkdir()
    return lambda more="": prove(estate(more, calm=120), *words, reports=tmp_path / "reports")


def test_second_run_asks_the_host_while_it_collects(run, tmp_path, gathers):
    assert (run().status, gathers("calm")) == (0, 1)
    (tmp_path / "asked-calm").unlink()
    (tmp_path / "wait").touch()
    found = run()
    assert (found.status, gathers("calm")) == (0, 1), found.text


def test_host_is_asked_again_when_its_plan_has_changed(run, tmp_path):
    run()
    more = 'mounts."/other" = {}\n'
    found = run(more)
    assert "2 passed" in found.text, found.text
    assert sorted(json.loads((tmp_path / "reports/.plans.json").read_text())["selected"]["facts"]["calm"]) == [
        ["disks", "/data"],
        ["disks", "/other"],
    ]


def test_plan_is_kept_for_each_round(plan):
    plan("-m", "daily").write(FACTS)
    plan("-m", "weekly", cadence="weekly").write({"vps": {("load", "")}})
    assert plan("-m", "daily").read({"vps": HOST}) == FACTS


def test_another_command_line_starts_without_a_plan(plan):
    plan("-m", "daily").write(FACTS)
    assert plan("-m", "daily", "--host=vps").read({"vps": HOST}) == {}


def test_facts_and_resources_that_are_gone_are_left_out(plan):
    plan("x").write({"vps": {*FACTS["vps"], ("disks", "/gone"), ("no_such_fact", "")}, "gone": {("load", "")}})
    assert plan("x").read({"vps": HOST}) == FACTS


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '"daily"',
        '{"daily": 3}',
        '{"daily": {"digest": "x"}}',
        "[" * 100000,
        '{"daily": []}',
        "\0",
        "\udcff",
    ],
)
def test_file_that_cannot_be_read_counts_as_none(plan, tmp_path, text):
    (tmp_path / ".plans.json").write_text(text, encoding="utf-8", errors="surrogateescape")
    assert plan("x").read({"vps": HOST}) == {}
    plan("x").write(FACTS)
    assert plan("x").read({"vps": HOST}) == FACTS


@pytest.mark.parametrize(
    "facts", [3, "disks", [3], [["disks"]], {"vps": 3}, {"vps": [["disks", {}]]}, {"vps": [[[], ""]]}]
)
def test_facts_of_another_shape_count_as_none(plan, tmp_path, facts):
    plan("x").write(FACTS)
    saved = json.loads((tmp_path / ".plans.json").read_text())
    saved["daily"]["facts"] = facts
    (tmp_path / ".plans.json").write_text(json.dumps(saved))
    assert plan("x").read({"vps": HOST}) == {}


def test_unwritable_folder_costs_only_the_plan(tmp_path):
    LastPlan(tmp_path / "missing", "daily", ["x"]).write(FACTS)
    assert LastPlan(tmp_path / "missing", "daily", ["x"]).read({"vps": HOST}) == {}
