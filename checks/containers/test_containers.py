"""Containers run, and their health checks pass."""

import pytest

pytestmark = [pytest.mark.daily, pytest.mark.predeploy, pytest.mark.postdeploy]
LIST = ("docker", "ps", "--all")


@pytest.mark.remedy(*LIST)
def test_every_container_is_declared(container_names, docker, evidence):
    """No check covers an undeclared container of the platform: declare or remove it."""
    undeclared = container_names.undeclared
    evidence("undeclared containers", undeclared)
    assert not undeclared, f"undeclared containers: {', '.join(undeclared)}"


@pytest.mark.remedy("container", "{container}", absent=LIST)
def test_container_is_running(containers, container, allowed, evidence):
    """The container's last log lines show why it stopped: fix the cause, then start the container."""
    evidence("last exit code", [str(containers[container].exit_code)])
    assert containers[container].status in allowed.container_status


@pytest.mark.remedy("docker", "inspect", "--format", "{{{{json .State}}}}", "{container}", absent=LIST)
@pytest.mark.caused_by("test_container_is_running")
def test_container_is_healthy(containers, container, allowed):
    """A running server may no longer answer: only the health check of the container shows it."""
    health = containers[container].health
    assert health != "none", f"{container} has no health check: hangs go unnoticed"
    assert health in allowed.container_health
