"""Faults of the API's answers."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from lab import Lab
from lab.fault import causes, shows
from lab.faults.fault import fault, seen

HEALTH = "lab-health"
EVERY_ANSWER = (
    "test_endpoint_responds",
    "test_response_time_is_within_limit",
    "test_platform_is_healthy",
    "test_services_are_up",
)

OUTSIDE = tuple(
    f"{check}[lab-site]"
    for check in ("test_endpoint_responds", "test_response_time_is_within_limit", "test_platform_is_healthy")
)


def _on_health(*checks: str) -> tuple[str, ...]:
    return tuple(f"{check}[{HEALTH}]" for check in checks)


@fault(failed=_on_health("test_platform_is_healthy", "test_services_are_up"), touches=("switches",))
@shows('"status": ?"degraded"')
@causes("test_services_are_up")
def health_degraded_with_200(lab: Lab) -> Iterator[None]:
    """HTTP 200, and the JSON says degraded."""
    lab.faults(health="degraded")
    yield
    lab.faults()


@fault(failed=_on_health("test_platform_is_healthy", "test_services_are_up"), touches=("switches",))
@shows('"status": ?"unhealthy"')
@causes("test_services_are_up")
def health_unhealthy_with_200(lab: Lab) -> Iterator[None]:
    """HTTP 200, and the JSON says unhealthy, a word containing "healthy"."""
    lab.faults(health="unhealthy")
    yield
    lab.faults()


@fault(failed=_on_health(*EVERY_ANSWER), touches=("switches",))
@shows("timed out")
@causes("test_endpoint_responds")
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
@causes("test_endpoint_responds")
def health_forbidden(lab: Lab) -> Iterator[None]:
    """The API refuses requests that bypass the proxy."""
    lab.faults(health="forbidden")
    yield
    lab.faults()


@fault(unknown=_on_health("test_platform_is_healthy", "test_services_are_up"), touches=("switches",))
@causes("test_services_are_up")
def health_is_a_web_page(lab: Lab) -> Iterator[None]:
    """HTTP 200 and a page: a proxy's error page, or the front end's catch-all."""
    lab.faults(health="html")
    yield
    lab.faults()


@fault(failed=_on_health(*EVERY_ANSWER), touches=("switches",))
@shows("transfer closed|end of response")
@causes("test_endpoint_responds")
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
@causes("test_endpoint_responds")
def api_health_unhealthy(lab: Lab) -> Iterator[None]:
    """/api/health, the second JSON shape, answers 503."""
    lab.faults(api_health="unhealthy")
    yield
    lab.faults()


@fault(
    failed=(
        "test_endpoint_responds[lab-live]",
        "test_endpoint_responds[lab-site]",
        "test_platform_is_healthy[lab-site]",
    ),
    touches=("switches",),
)
@shows("HTTP/1.1 503")
@causes("test_endpoint_responds")
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


def _resolved(*addresses: str) -> tuple[str, ...]:
    """A command prefix that gives `localhost` other addresses for the command."""
    return seen("/etc/hosts", "".join(f"{each} localhost\\n" for each in addresses))


@fault(failed=OUTSIDE, wrapper=_resolved("127.0.0.9"), root=True)
@shows(r"^127\.0\.0\.9$")
@causes("test_endpoint_responds")
def name_leads_to_a_silent_address(lab: Lab) -> Iterator[None]:
    """The API answers on the host, but the name resolves to an address where nothing listens."""
    yield


@fault(failed=OUTSIDE, wrapper=_resolved("127.0.0.1", "127.0.0.8"), root=True)
@shows("HTTP/1.0 404")
@causes("test_endpoint_responds")
def second_address_answers_otherwise(lab: Lab) -> Iterator[None]:
    """The name has a second address, of a server that does not have the page."""
    with ThreadingHTTPServer(("127.0.0.8", lab.api_port), _Foreign) as server:
        threading.Thread(target=server.serve_forever).start()
        yield
        server.shutdown()


class _Foreign(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        pass
