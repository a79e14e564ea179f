"""The PM2 daemon runs, and a reboot restores the running processes."""

import pytest

pytestmark = [pytest.mark.daily, pytest.mark.predeploy, pytest.mark.postdeploy]


@pytest.mark.remedy("pm2", "resurrect")
def test_pm2_daemon_is_running(processes, pm2):
    """Without the daemon crashed processes stay down, and running ones are orphans."""
    assert processes.running_version


@pytest.mark.remedy("pm2", "list")
def test_no_process_is_broken(processes, pm2, evidence):
    """A broken process in PM2's list should run, declared or not."""
    evidence("broken processes", processes.broken)
    assert not processes.broken, "; ".join(processes.broken)


@pytest.mark.remedy("pm2", "save")
def test_pm2_saved_list_matches_processes(processes, pm2, evidence):
    """A reboot resurrects only the saved list."""
    evidence("differences", processes.unsaved)
    assert not processes.unsaved, "; ".join(processes.unsaved)


@pytest.mark.remedy("pm2", "update")
def test_pm2_daemon_and_cli_versions_match(processes, pm2):
    """After an upgrade the old daemon runs on, and misunderstands the new CLI: update the daemon."""
    running, tool = processes.running_version, processes.tool_version
    assert running == tool, f"PM2 versions differ: daemon {running}, CLI {tool}"
