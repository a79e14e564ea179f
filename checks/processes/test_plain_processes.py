"""Processes without a supervisor run, in the declared number, and accept connections."""

import pytest

pytestmark = [
    pytest.mark.daily,
    pytest.mark.predeploy,
    pytest.mark.postdeploy,
    pytest.mark.caused_by("test_plain_process_is_running"),
]
LOOK = pytest.mark.remedy("plain process")


@LOOK
def test_plain_process_is_running(plain_processes, plain_process, host, allowed):
    """Nothing starts the process again: start it, and let systemd supervise it; a second instance may do work twice."""
    state, declared = plain_processes[plain_process], host.processes[plain_process].instances
    assert state.instances == declared, f"{plain_process}: {state.instances} processes fit ({declared} declared)"
    assert state.status in allowed.service_status


@LOOK
def test_plain_process_restarts_are_within_limit(plain_processes, plain_process, remembered, allowed):
    """Someone starts the process after each crash: find the cause in the log."""
    state, limit = plain_processes[plain_process], allowed.process_starts
    earlier = remembered({limit.metric: state.start})[limit.metric]
    assert state.restarts_since(earlier, limit.over) in limit


@LOOK
def test_plain_process_memory_is_within_limit(plain_processes, plain_process, allowed):
    """When the host has no memory left, the kernel kills its largest process."""
    assert plain_processes[plain_process].memory_used in allowed.service_memory


@LOOK
def test_plain_process_uptime_is_within_limit(plain_processes, plain_process, allowed):
    """A short uptime means a recent restart or deployment: check again later."""
    assert plain_processes[plain_process].uptime_s in allowed.process_uptime


@pytest.mark.remedy("waiting", absent=("plain process",))
def test_plain_process_accepts_connections(plain_processes, listening_process, allowed):
    """The process hangs, and clients wait: restart the process."""
    state = plain_processes[listening_process]
    state.footprint.require_open(listening_process)
    assert state.footprint.stalled_s in allowed.service_frozen
