"""Verdicts of units, from answers of systemd 252 about units in each state."""

import json

import pytest

from opsproof.round.gathering import Recording, write
from opsproof.transport.shell import Answer

NOW = 1796077571.0 + 120
INVENTORY = """
extends = "{limits}"
[limits]
process_uptime = {{ should = "> 60s" }}
[hosts.here]
transport = "local://"
systemd = {{}}
[hosts.here.units]
"""
WAITED = "stalled 6.2"


@pytest.fixture
def verdicts(prove, repository, tmp_path):
    """Judges declared units by recorded answers, changed by replacements; gives the findings by check."""
    cases = json.loads((repository / "tests" / "recorded" / "systemctl_show.json").read_text(encoding="utf-8"))

    def run(case, declared="", **changes):
        name, text = case.partition(",")[0], cases[case]
        for old, new in changes.items():
            assert old in text
            text = text.replace(old, new)
        inventory = tmp_path / "inventory.toml"
        unit = f'"{name}" = {{ {declared} }}\n'
        inventory.write_text(INVENTORY.format(limits=repository / "inventory" / "metachat.toml") + unit)
        answers = {f"units {name}": Answer(0, text, now=NOW)}
        write(tmp_path / "facts.json", {"here": Recording(answers=answers)})
        found = prove(inventory, "checks/processes/test_units.py", f"--facts={tmp_path}/facts.json")
        judged = {test.partition("[")[0]: each for test, each in found.properties.items()}
        return {check: (each["verdict"], each.get("sentence", "")) for check, each in judged.items()}

    return run


def bad(verdicts):
    return {check.removeprefix("test_unit_"): found for check, found in verdicts.items() if found[0] != "passed"}


@pytest.mark.parametrize(
    ("case", "declared"),
    [
        ("web.service", "listens = [8099]"),
        ("tpl@7.service", ""),
        ("good.service", ""),
        ("long.service", ""),
        ("never.service", ""),
        ("lazy.service", ""),
        ("lazy.socket", ""),
        ("good.timer", 'every = "1d"'),
        ("off.service", "enabled = false"),
        ("masked.service", "enabled = false"),
    ],
)
def test_units_in_an_intended_state_pass(verdicts, case, declared):
    found = verdicts(case, declared)
    assert len(found) >= 2
    assert bad(found) == {}


EXPECTED = "(expected active or reloading or running or finished or waiting)"


@pytest.mark.parametrize(
    ("case", "sentence"),
    [
        ("crash.service", "restarting"),
        ("broken.service", "failed"),
        ("bad.service", "failed"),
        ("bad.timer", "job failed"),
        ("once.timer", "elapsed"),
        ("masked.service", "masked"),
        ("bogus.service", "bad-setting"),
        ("off.service", "inactive"),
    ],
)
def test_units_in_another_state_fail(verdicts, case, sentence):
    name = case.partition(",")[0]
    assert verdicts(case)["test_unit_is_active"] == ("failed", f"{name}: status {sentence} {EXPECTED}")


@pytest.mark.parametrize(
    ("case", "declared", "findings"),
    [
        (
            "offruns.service",
            "enabled = false",
            {"test_disabled_unit_is_off": ("failed", "offruns.service is disabled and active")},
        ),
        (
            "web.service, changed",
            "",
            {"file_is_loaded": ("failed", "web.service changed on disk: systemd has not read the new unit file")},
        ),
    ],
)
def test_other_findings_name_the_unit(verdicts, case, declared, findings):
    assert bad(verdicts(case, declared)) == findings


def test_killed_unit_warns_for_its_short_uptime(verdicts):
    found = verdicts("web.service, killed")["test_unit_uptime_is_within_limit"]
    assert found == ("warned", "web.service: uptime 29 s (limit > 1 min)")


def test_halted_unit_fails(verdicts):
    found = bad(verdicts("web.service, halted"))
    assert found == {"is_active": ("failed", f"web.service: status halted {EXPECTED}")}


def test_missing_unit_fails_every_check(verdicts):
    absent = ("failed", "here: nosuch.service is declared, but systemd has no such unit")
    assert set(verdicts("nosuch.service").values()) == {absent}


def test_frozen_unit_fails(verdicts):
    found = bad(verdicts("web.service", "listens = [8099]", **{"stalled 0": WAITED}))
    assert found == {"accepts_connections": ("failed", "web.service: frozen 6.2 s (limit < 5 s)")}


def test_closed_port_fails(verdicts):
    found = bad(verdicts("web.service", "listens = [8099, 81]", **{"closed ": "closed 81"}))
    assert found == {"accepts_connections": ("failed", "web.service does not listen at port 81")}


def test_memory_over_the_units_limit_fails(verdicts):
    found = bad(verdicts("web.service", **{"MemoryMax=104857600": "MemoryMax=20971520"}))
    assert found["memory_is_within_limit"] == ("failed", "web.service: memory used 94.2 % (limit < 80 %)")


def test_late_job_fails(verdicts):
    started = {"LastTriggerUSec=": "LastTriggerUSec=Mon 2026-11-30 12:00:00 UTC"}
    assert bad(verdicts("never.timer", 'every = "15min"', **started))["job_starts_on_time"][0] == "failed"


def test_answer_without_a_state_is_unknown(verdicts):
    assert {each for each, _ in verdicts("web.service", **{"ActiveState=active": "ActiveState="}).values()} == {
        "unknown"
    }
