"""The platform answers, and calls itself healthy.

Its health answer is HTTP 200 whatever it says, so only the JSON in it counts.
"""

import pytest

pytestmark = [pytest.mark.daily, pytest.mark.predeploy, pytest.mark.postdeploy]


def test_endpoint_responds(responses, endpoint, allowed):
    """No answer, or a refusal, reaches users as well."""
    assert responses[endpoint].status in allowed.http_status


def test_response_time_is_within_limit(responses, endpoint, allowed):
    """A slow health answer waits for a service that is down."""
    assert responses[endpoint].elapsed_s in allowed.response_time


def test_platform_is_healthy(responses, health_endpoint, allowed):
    """Its own word; look at the services it calls down."""
    assert responses[health_endpoint].health.status in allowed.health_status


def test_services_are_up(responses, health_endpoint, allowed, evidence):
    """Each service that the platform needs."""
    down = responses[health_endpoint].health.down
    evidence("services down", down)
    assert len(down) in allowed.services_down


def test_http_redirects_to_https(responses, redirect):
    """Passwords and sessions of those who come over plain HTTP can be read on the way."""
    found = responses[redirect]
    assert found.leads_to_https, (
        f"{found.url} leads to {found.location or 'no other address'}, not to https of its host"
    )
