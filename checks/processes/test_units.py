"""Units of systemd run, start at boot, and accept connections."""

import pytest

pytestmark = [pytest.mark.daily, pytest.mark.predeploy, pytest.mark.postdeploy]
DOWN = pytest.mark.caused_by("test_unit_is_active")
MISSING = {"absent": ("unit files",)}
LOOK = pytest.mark.remedy("unit look", **MISSING)


@LOOK
def test_unit_is_active(units, enabled_unit, allowed, evidence, repair_with):
    """Read the last log lines before a restart: systemd gives up after repeated crashes."""
    state = units[enabled_unit]
    evidence("state", [f"{key}: {state.properties[key]}" for key in ("ActiveState", "SubState", "Result")])
    for word in state.repair:
        repair_with(word)
    assert state.status in allowed.service_status


@pytest.mark.remedy("unit", "disable", "--now", **MISSING)
def test_disabled_unit_is_off(units, disabled_unit):
    """The unit is out of service, but runs or would run after a reboot: disable the unit."""
    assert not units[disabled_unit].not_off, units[disabled_unit].not_off


@pytest.mark.remedy("unit", "enable", **MISSING)
def test_unit_starts_at_boot(units, enabled_unit):
    """A started unit without enablement is gone after a reboot: enable the unit."""
    assert not units[enabled_unit].not_at_boot, units[enabled_unit].not_at_boot


@pytest.mark.remedy("unit", "daemon-reload", **MISSING)
def test_unit_file_is_loaded(units, unit):
    """The unit file has changed on disk: the next start, perhaps after a crash, would use old settings."""
    assert not units[unit].needs_reload, f"{unit} changed on disk: systemd has not read the new unit file"


@pytest.mark.remedy("unit restarts", **MISSING)
def test_unit_restarts_are_within_limit(units, enabled_unit, increase, unplanned_increase, allowed):
    """Systemd hides crashes behind restarts: find the cause in the unit's log."""
    state, of_a_day, of_a_month = units[enabled_unit], allowed.restarts, allowed.unplanned_restarts
    if not state.is_daemon:
        return
    assert increase(state.restarts, of_a_day) in of_a_day
    assert unplanned_increase(state.restarts, of_a_day, of_a_month) in of_a_month


@pytest.mark.remedy("unit", "show", "--property=MemoryCurrent,MemoryMax,MainPID", **MISSING)
@DOWN
def test_unit_memory_is_within_limit(units, enabled_unit, allowed):
    """At MemoryMax, or when the host has no memory left, the kernel kills a process of the unit."""
    if units[enabled_unit].footprint.processes:
        assert units[enabled_unit].memory_used in allowed.service_memory


@LOOK
@DOWN
def test_unit_uptime_is_within_limit(units, enabled_unit, allowed):
    """A short uptime means a recent restart or deployment: check again later."""
    state = units[enabled_unit]
    if state.is_daemon:
        assert not state.idle, state.idle
        assert state.uptime_s in allowed.process_uptime


@LOOK
@DOWN
def test_unit_job_starts_on_time(units, scheduled_unit, host, allowed):
    """A stopped timer, or a timer with a hanging job, starts nothing, and no message tells."""
    assert units[scheduled_unit].delay_s(host.units[scheduled_unit].every) in allowed.job_delay


@pytest.mark.remedy("unit", "restart", effect="restarts the unit", absent=("unit look",))
@DOWN
def test_unit_accepts_connections(units, listening_unit, allowed):
    """The unit hangs, and clients wait, but systemd reports the unit as active: restart the unit."""
    state = units[listening_unit]
    state.footprint.require_open(listening_unit)
    assert state.footprint.stalled_s in allowed.service_frozen
