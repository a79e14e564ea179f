"""The limits of production are the operators' own, and hold on the lab too."""

import pytest

from opsproof.core.limits import Estimate
from opsproof.inventory.load import load

DAY = 86_400
BEFORE_HISTORY = "built before the first recorded run"


@pytest.fixture(params=["metachat.toml", "lab.toml", "lab-docker.toml"])
def host(request, repository):
    """The only host of an inventory."""
    (found,) = load(repository / "inventory" / request.param).hosts.values()
    return found


@pytest.mark.parametrize(
    ("metric", "value", "verdict"),
    [
        ("health_status", "healthy", "passed"),
        ("health_status", "degraded", "failed"),
        ("health_status", "unhealthy", "failed"),
        ("health_status", "contradictory", "failed"),
        ("services_down", 0, "passed"),
        ("services_down", 1, "failed"),
        ("vector_age", 35 * DAY, "passed"),
        ("vector_age", 36 * DAY, "failed"),
        ("vector_age", Estimate(40 * DAY, float("inf"), BEFORE_HISTORY), "failed"),
        ("restarts", 4, "passed"),
        ("restarts", 5, "failed"),
        ("log_errors", 9, "passed"),
        ("log_errors", 10, "failed"),
        ("container_status", "exited", "failed"),
        ("container_health", "unhealthy", "failed"),
    ],
)
def test_runbook_value_decides(host, metric, value, verdict):
    assert host.limit(metric).judge(value).verdict == verdict
