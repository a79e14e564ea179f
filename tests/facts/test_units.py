"""Units of systemd, from the output of systemd 252 for units in each state."""

import json
from dataclasses import replace

import pytest

from opsproof.core.counters import Counter
from opsproof.core.errors import Absent, CommandError, OutputError
from opsproof.facts.units import Units
from opsproof.inventory.hosts import Host
from opsproof.inventory.processes import Unit
from opsproof.transport.shell import Answer, run

BOOTED = 1796077571.0
NOW = BOOTED + 120
LOST = "a reboot does not start it"


@pytest.fixture
def shown(repository):
    """The recorded unit of a case, after replacements in the output."""
    cases = json.loads((repository / "tests" / "recorded" / "systemctl_show.json").read_text(encoding="utf-8"))

    def parsed(case, **changes):
        text = cases[case]
        for key, value in changes.items():
            lines = [f"unit {key}={value}" if each.startswith(f"unit {key}=") else each for each in text.split("\n")]
            assert lines != text.split("\n"), key
            text = "\n".join(lines)
        return Units().parse(Answer(0, text, now=NOW), case.partition(",")[0], Unit())

    return parsed


@pytest.mark.parametrize(
    ("case", "status", "is_daemon"),
    [
        ("web.service", "active", True),
        ("crash.service", "restarting", True),
        ("broken.service", "failed", True),
        ("off.service", "inactive", True),
        ("masked.service", "masked", True),
        ("bogus.service", "bad-setting", True),
        ("good.service", "finished", False),
        ("bad.service", "failed", False),
        ("long.service", "running", False),
        ("never.service", "waiting", False),
        ("lazy.service", "waiting", False),
        ("lazy.socket", "active", False),
        ("good.timer", "active", False),
        ("bad.timer", "job failed", False),
        ("once.timer", "elapsed", False),
    ],
)
def test_status_is_the_active_state_or_a_closer_word(shown, case, status, is_daemon):
    assert (shown(case).status, shown(case).is_daemon) == (status, is_daemon)


@pytest.mark.parametrize(
    ("case", "changes", "status"),
    [
        ("web.service", {"FreezerState": "frozen"}, "frozen"),
        ("web.service, halted", {}, "halted"),
        ("web.service", {"ActiveState": "reloading"}, "reloading"),
        ("web.service", {"ActiveState": "deactivating"}, "deactivating"),
        ("crash.service", {"SubState": "auto-restart-queued"}, "restarting"),
        ("good.service", {"ExecMainStartTimestamp": "", "TriggeredBy": ""}, "inactive"),
        ("good.service", {"Result": "exit-code"}, "inactive"),
        ("lazy.service", {"UnitFileState": "enabled"}, "inactive"),
        ("good.timer", {"ActiveState": "inactive"}, "inactive"),
    ],
)
def test_status_of_rare_states(shown, case, changes, status):
    assert shown(case, **changes).status == status


@pytest.mark.parametrize(
    ("case", "changes", "repair"),
    [
        ("web.service", {}, ()),
        ("web.service", {"FreezerState": "frozen"}, ("thaw",)),
        ("web.service, halted", {}, ("kill", "--signal=CONT")),
    ],
)
def test_frozen_or_halted_unit_can_go_on(shown, case, changes, repair):
    assert shown(case, **changes).repair == repair


@pytest.mark.parametrize(
    ("case", "why"),
    [
        ("web.service", ""),
        ("tpl@7.service", ""),
        ("good.service", ""),
        ("long.service", ""),
        ("never.timer", ""),
        ("byhand.service", f"byhand.service is static, and no other unit starts it: {LOST}"),
        ("off.service", f"off.service is disabled, and no other unit starts it: {LOST}"),
        ("passing.service", f"passing.service is transient, and no other unit starts it: {LOST}"),
    ],
)
def test_units_that_a_reboot_loses_are_named(shown, case, why):
    assert shown(case).not_at_boot == why


@pytest.mark.parametrize(
    ("case", "why"),
    [
        ("off.service", ""),
        ("masked.service", ""),
        ("offruns.service", "offruns.service is disabled and active"),
        ("web.service", "web.service is enabled and active"),
        ("broken.service", "broken.service is enabled and failed"),
    ],
)
def test_units_that_are_not_off_are_named(shown, case, why):
    assert shown(case).not_off == why


def test_changed_unit_file_needs_a_reload(shown):
    assert [shown(case).needs_reload for case in ("web.service", "web.service, changed")] == [False, True]


def test_restarts_count_since_the_start_of_systemd(shown):
    since = shown("web.service, killed").restarts.quiet_since
    assert BOOTED < since < NOW
    expected = Counter(1, BOOTED, NOW, since, reborn="systemd was started again")
    assert shown("web.service, killed").restarts == expected
    assert shown("web.service, killed").uptime_s == NOW - since


def test_memory_is_a_share_of_the_limit_or_of_the_host(shown):
    unit = shown("web.service")
    assert unit.properties["MemoryMax"] == str(100 * 2**20)
    assert unit.memory_used == 100 * unit.footprint.memory_bytes / (100 * 2**20)
    without = shown("web.service", MemoryMax="infinity")
    assert without.memory_used == 100 * unit.footprint.memory_bytes / unit.footprint.total_bytes


def test_job_is_late_since_its_last_start(shown):
    started = shown("bad.timer", LastTriggerUSec="Mon 2026-11-30 22:26:41 UTC")
    assert (started.started_s, started.delay_s(60.0), started.delay_s(100.0)) == (90.0, 30.0, 0.0)
    assert shown("never.service").started_s == NOW - BOOTED


def test_unknown_unit_is_absent(shown):
    with pytest.raises(Absent, match=r"^nosuch\.service is declared, but systemd has no such unit$"):
        shown("nosuch.service")


@pytest.mark.parametrize(
    ("changes", "error"),
    [({"ActiveState": ""}, OutputError), ({"LoadState": ""}, OutputError)],
)
def test_unit_without_a_state_is_unknown(shown, changes, error):
    with pytest.raises(error, match=r"systemctl gave no state of web\.service"):
        shown("web.service", **changes)


def test_hidden_processes_are_unknown(repository):
    text = json.loads((repository / "tests" / "recorded" / "systemctl_show.json").read_text())["web.service"]
    with pytest.raises(CommandError, match=r"the processes of web\.service are not visible in /proc"):
        Units().parse(Answer(0, text.replace("processes 1", "processes 0"), now=NOW), "web.service", Unit())


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("/nowhere", r"systemctl not found: systemctl: No such file or directory"),
        ("", r"systemctl ended with status 1: Failed to connect to bus: "),
    ],
    ids=["without systemctl", "without systemd"],
)
def test_host_without_systemd_is_unknown(tmp_path, path, complaint):
    host = Host(transport="local://").placed("vps", ())
    command = Units().command(host, "web.service", Unit())
    if path:
        (tmp_path / "perl").symlink_to("/usr/bin/perl")
        command = replace(command, argv=("env", f"PATH={tmp_path}", *command.argv))
    (answer,) = run(host, (command,))
    with pytest.raises(CommandError, match=complaint):
        Units().parse(answer, "web.service", Unit())
