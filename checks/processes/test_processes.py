"""PM2 keeps the API and the worker running.

A process that crashes now and then is online at every glance: only restarts and uptime reveal the crashes.
"""

import pytest

pytestmark = [
    pytest.mark.daily,
    pytest.mark.predeploy,
    pytest.mark.postdeploy,
    pytest.mark.caused_by("test_pm2_daemon_is_running", on="host"),
]
MISSING = {"absent": ("pm2 missing",), "unusable": ("pm2", "resurrect")}
"""`resurrect` starts the saved processes that are missing, and leaves the others alone."""


@pytest.mark.remedy("pm2", "restart", "{process}", effect="restarts the process", **MISSING)
def test_process_is_online(processes, process, allowed):
    """Read the error log before a restart: pm2 logs --err; a job of PM2's cron has finished."""
    assert processes[process].status in allowed.process_status


@pytest.mark.remedy("pm2", "describe", "{process}", **MISSING)
@pytest.mark.caused_by("test_process_is_online")
def test_process_restarts_are_within_limit(processes, process, increase, unplanned_increase, allowed):
    """Each restart loses requests in flight: find the cause in the error log of that minute."""
    restarts, of_a_day, of_a_month = processes[process].restarts, allowed.restarts, allowed.unplanned_restarts
    if processes[process].is_job:
        return
    assert increase(restarts, of_a_day) in of_a_day
    assert unplanned_increase(restarts, of_a_day, of_a_month) in of_a_month


@pytest.mark.remedy("pm2", "restart", "{process}", effect="restarts the process", **MISSING)
@pytest.mark.caused_by("test_process_is_online")
def test_process_memory_is_within_limit(processes, process, allowed):
    """PM2 kills a process at its memory limit, so growth ends in a restart under load."""
    assert processes[process].memory_bytes in allowed.process_memory


@pytest.mark.remedy("pm2", "describe", "{process}", **MISSING)
@pytest.mark.caused_by("test_process_is_online", "test_process_restarts_are_within_limit")
def test_process_uptime_is_within_limit(processes, process, host, allowed):
    """A short uptime means a recent restart or deployment: check again later; a job must start on time."""
    state = processes[process]
    if state.is_job:
        assert state.delay_s(host.processes[process].every) in allowed.job_delay
    else:
        assert not state.idle, state.idle
        assert state.uptime_s in allowed.process_uptime
