"""The containers run, and their own health checks say that they work."""

import pytest

pytestmark = [pytest.mark.daily, pytest.mark.predeploy, pytest.mark.postdeploy]


@pytest.mark.remedy("docker", "logs", "--tail", "50", "{container}")
def test_container_is_running(containers, container, allowed, evidence):
    """Its last lines say why it ended; start it when the cause is gone."""
    evidence("exit code of its last life", [str(containers[container].exit_code)])
    assert containers[container].status in allowed.container_status


@pytest.mark.remedy("docker", "inspect", "--format", "{{{{json .State.Health.Log}}}}", "{container}")
def test_container_is_healthy(containers, container, allowed):
    """A server that runs and answers nobody shows only here."""
    health = containers[container].health
    assert health != "none", f"{container} has no health check, so nobody notices when it hangs"
    assert health in allowed.container_health
