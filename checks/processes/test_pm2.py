"""PM2 itself is there, and a reboot brings back what runs now."""

import pytest

pytestmark = [pytest.mark.daily, pytest.mark.predeploy, pytest.mark.postdeploy]


@pytest.mark.remedy("pm2", "resurrect")
def test_pm2_daemon_is_running(processes, pm2):
    """Without its daemon nothing restarts what crashes, and its processes are orphans."""
    assert processes.running_version


@pytest.mark.remedy("pm2", "list")
def test_no_process_is_broken(processes, pm2, evidence):
    """Declared or not: what stands broken in the list was meant to run."""
    evidence("broken processes", processes.broken)
    assert not processes.broken, "; ".join(processes.broken)


@pytest.mark.remedy("pm2", "save")
def test_pm2_saved_list_matches_processes(processes, pm2, evidence):
    """A reboot resurrects the saved list, nothing else."""
    evidence("differences", processes.unsaved)
    assert not processes.unsaved, "; ".join(processes.unsaved)


@pytest.mark.remedy("pm2", "update")
def test_pm2_daemon_and_cli_versions_match(processes, pm2):
    """An upgraded tool talks to the old daemon until it is updated; they misunderstand each other."""
    running, tool = processes.running_version, processes.tool_version
    assert running == tool, f"the PM2 daemon is version {running}, the tool {tool}"
