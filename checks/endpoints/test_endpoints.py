"""The platform answers, and reports itself healthy.

The health answer always has HTTP status 200, so only the JSON body counts.
"""

import pytest

pytestmark = [
    pytest.mark.daily,
    pytest.mark.predeploy,
    pytest.mark.postdeploy,
    pytest.mark.caused_by("test_endpoint_responds"),
]
ASK = pytest.mark.remedy("curl", "--include")


@ASK
def test_endpoint_responds(responses, endpoint, allowed):
    """Users get the same error: check the process behind the URL."""
    assert responses[endpoint].status in allowed.http_status


@ASK
def test_response_time_is_within_limit(responses, endpoint, allowed):
    """A slow health answer is waiting for a service that is down."""
    assert responses[endpoint].elapsed_s in allowed.response_time


@ASK
@pytest.mark.caused_by("test_services_are_up")
def test_platform_is_healthy(responses, health_endpoint, allowed):
    """The platform reports itself as degraded or down: check the services in its health answer."""
    assert responses[health_endpoint].health.status in allowed.health_status


@ASK
def test_services_are_up(responses, service_endpoint, allowed, evidence):
    """The platform needs each of its services."""
    down = responses[service_endpoint].health.down
    evidence("services down", down)
    assert len(down) in allowed.services_down


@ASK
def test_http_redirects_to_https(responses, redirect):
    """Plain HTTP exposes users' passwords and sessions on the network."""
    found = responses[redirect]
    assert found.leads_to_https, (
        f"{found.url} redirects to {found.location or 'nowhere'}, not to https on the same host"
    )
