"""The PM2 daemon runs, and a reboot restores the running processes."""

import pytest

pytestmark = [
    pytest.mark.daily,
    pytest.mark.predeploy,
    pytest.mark.postdeploy,
    pytest.mark.caused_by("test_pm2_daemon_is_running"),
]


RESURRECT = ("pm2", "resurrect")


@pytest.mark.remedy(*RESURRECT)
def test_pm2_daemon_is_running(processes, pm2):
    """Without the daemon crashed processes stay down, and running ones are orphans."""
    assert processes.running_version


@pytest.mark.remedy("pm2", "list", unusable=RESURRECT)
def test_no_process_is_broken(processes, pm2, evidence):
    """PM2 stopped the process, or gave up after repeated crashes: restart it, or pm2 delete it."""
    evidence("broken processes", processes.broken)
    assert not processes.broken, "; ".join(processes.broken)


@pytest.mark.remedy("pm2", absent=("pm2", "save"), unusable=RESURRECT)
def test_pm2_saved_list_matches_processes(processes, pm2, evidence, repair_with):
    """After a reboot PM2 starts only the processes of the saved list: start the missing ones, then pm2 save."""
    evidence("differences", processes.unsaved)
    repair_with(processes.repair)
    assert not processes.unsaved, "; ".join(processes.unsaved)


@pytest.mark.remedy("pm2", "update", effect="restarts every process", unusable=RESURRECT)
def test_pm2_daemon_and_cli_versions_match(processes, pm2):
    """After an upgrade of PM2 the old daemon keeps running, and may not work with the new CLI: update the daemon."""
    running, tool = processes.running_version, processes.tool_version
    assert running == tool, f"PM2 versions differ: daemon {running}, CLI {tool}"
