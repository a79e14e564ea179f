"""Faults of the API's answers."""

from collections.abc import Iterator

from lab import Lab
from lab.fault import shows
from lab.faults.fault import fault

HEALTH = "lab-health"
EVERY_ANSWER = (
    "test_endpoint_responds",
    "test_response_time_is_within_limit",
    "test_platform_is_healthy",
    "test_services_are_up",
)


def _on_health(*checks: str) -> tuple[str, ...]:
    return tuple(f"{check}[{HEALTH}]" for check in checks)


@fault(failed=_on_health("test_platform_is_healthy", "test_services_are_up"), touches=("switches",))
@shows('"status": ?"degraded"')
def health_degraded_with_200(lab: Lab) -> Iterator[None]:
    """HTTP 200, and the JSON says degraded."""
    lab.faults(health="degraded")
    yield
    lab.faults()


@fault(failed=_on_health("test_platform_is_healthy", "test_services_are_up"), touches=("switches",))
@shows('"status": ?"unhealthy"')
def health_unhealthy_with_200(lab: Lab) -> Iterator[None]:
    """HTTP 200, and the JSON says unhealthy, a word containing "healthy"."""
    lab.faults(health="unhealthy")
    yield
    lab.faults()


@fault(failed=_on_health(*EVERY_ANSWER), touches=("switches",))
@shows("timed out")
def health_hangs(lab: Lab) -> Iterator[None]:
    """Redis hangs, so /health never answers."""
    lab.faults(health="hang")
    yield
    lab.faults()


@fault(
    failed=_on_health("test_endpoint_responds"),
    unknown=_on_health("test_platform_is_healthy", "test_services_are_up"),
    touches=("switches",),
)
@shows("HTTP/1.1 403")
def health_forbidden(lab: Lab) -> Iterator[None]:
    """The API refuses requests that bypass the proxy."""
    lab.faults(health="forbidden")
    yield
    lab.faults()


@fault(unknown=_on_health("test_platform_is_healthy", "test_services_are_up"), touches=("switches",))
def health_is_a_web_page(lab: Lab) -> Iterator[None]:
    """HTTP 200 and a page: a proxy's error page, or the front end's catch-all."""
    lab.faults(health="html")
    yield
    lab.faults()


@fault(failed=_on_health(*EVERY_ANSWER), touches=("switches",))
@shows("transfer closed|end of response")
def health_cut_short(lab: Lab) -> Iterator[None]:
    """HTTP 200, and the connection closes before the last byte of the JSON."""
    lab.faults(health="cut")
    yield
    lab.faults()


@fault(
    failed=("test_endpoint_responds[lab-api-health]", "test_platform_is_healthy[lab-api-health]"),
    touches=("switches",),
)
@shows("HTTP/1.1 503")
def api_health_unhealthy(lab: Lab) -> Iterator[None]:
    """/api/health, the second JSON shape, answers 503."""
    lab.faults(api_health="unhealthy")
    yield
    lab.faults()


@fault(failed=("test_endpoint_responds[lab-live]",), touches=("switches",))
@shows("HTTP/1.1 503")
def not_alive(lab: Lab) -> Iterator[None]:
    """The liveness probe says 503."""
    lab.faults(live=False)
    yield
    lab.faults()


@fault(failed=("test_endpoint_responds[lab-ready]",), touches=("switches",))
@shows("HTTP/1.1 503")
def not_ready(lab: Lab) -> Iterator[None]:
    """The readiness probe says 503."""
    lab.faults(ready=False)
    yield
    lab.faults()
