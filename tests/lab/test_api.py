"""The API behaves as production's does, healthy and under each fault switch."""

import json

import pytest
import requests

pytestmark = pytest.mark.lab


def test_plain_http_is_refused(healthy, ask):
    for path in ("/health", "/api/health", "/metrics"):
        answer = ask(path, headers={})
        assert (answer.status_code, answer.json()["code"]) == (403, "HTTPS_REQUIRED")


def test_health_has_the_first_shape(healthy, ask):
    body = ask("/health").json()

    assert list(body) == ["status", "services", "timestamp"]
    assert body["status"] == "healthy"
    assert body["services"] == {"database": "up", "redis": "up", "rabbitmq": "up"}


def test_api_health_has_the_second_shape(healthy, ask):
    body = ask("/api/health").json()

    assert list(body) == ["status", "timestamp", "uptime", "services"]
    assert body["services"]["database"]["status"] == "up"
    assert {"used", "total", "percentage"} == set(body["services"]["memory"])
    assert {"pid", "uptime", "version"} == set(body["services"]["process"])


def test_metrics_count_answers_by_route(healthy, ask):
    ask("/no-such-route")

    page = ask("/metrics").text
    assert 'http_request_duration_seconds_count{method="GET",route="/no-such-route",status_code="404"}' in page
    assert "process_resident_memory_bytes" in page
    assert "http_requests_total" not in page


def test_routes_show_one_tenant_its_own_rows(healthy, ask):
    answer = ask("/api/channels", headers={"X-Forwarded-Proto": "https", "X-Tenant-Id": "ten00001"})

    assert len(answer.json()["data"]) == 3


def test_request_without_tenant_is_a_client_error(healthy, ask):
    assert ask("/api/channels").status_code == 401


@pytest.mark.parametrize(
    ("switches", "path", "expected"),
    [
        ({"health": "degraded"}, "/health", (200, '"status":"degraded"')),
        ({"health": "unhealthy"}, "/health", (200, '"status":"unhealthy"')),
        ({"health": "forbidden"}, "/health", (403, "HTTPS_REQUIRED")),
        ({"health": "html"}, "/health", (200, "<title>")),
        ({"services": {"redis": "down"}}, "/health", (200, '"redis":"down"')),
        ({"api_health": "unhealthy"}, "/api/health", (503, '"errors":[')),
        ({"api_health": "html"}, "/api/health", (200, "<title>")),
        ({"ready": False}, "/api/health/ready", (503, "not ready")),
        ({"live": False}, "/api/health/live", (503, "dead")),
        ({"process": "worker", "live": False}, "/api/health/live", (200, "alive")),
    ],
    ids=json.dumps,
)
def test_a_switch_changes_the_answer(healthy, ask, switches, path, expected):
    healthy.faults(**switches)

    status, text = expected
    answer = ask(path)

    assert (answer.status_code, text in answer.text) == (status, True)


def test_a_hanging_route_never_answers(healthy, ask):
    healthy.faults(health="hang")

    with pytest.raises(requests.Timeout):
        ask("/health", timeout=1)
    assert ask("/api/health/live").status_code == 200


def test_a_slow_route_takes_its_time(healthy, ask):
    healthy.faults(slow_ms=300)

    headers = {"X-Forwarded-Proto": "https", "X-Tenant-Id": "ten00001"}
    assert ask("/api/channels", headers=headers).elapsed.total_seconds() > 0.3


def test_traffic_is_bounded_and_mixed(healthy):
    answers = healthy.traffic(requests=40, seconds=60)

    assert sum(answers.values()) == 40
    assert set(answers) == {"200", "404"}
