"""HTTP endpoints, requested from the host itself like the reverse proxy does."""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from opsproof.core.errors import Absent, OutputError
from opsproof.facts import curl
from opsproof.facts.base import ResourceFact
from opsproof.inventory.hosts import Host
from opsproof.inventory.resources import Endpoint
from opsproof.transport.shell import Answer, Command

FIGURES = ("memory", "process")
"""Entries among the services of a health answer that are not services."""


@dataclass(frozen=True)
class Health:
    """The platform's status, and services reported down."""

    status: str
    down: tuple[str, ...]


@dataclass(frozen=True)
class Response:
    """Response of an endpoint: HTTP status, time in seconds, body, and redirect target, if any."""

    url: str
    status: int
    elapsed_s: float
    body: str
    location: str = ""

    @property
    def leads_to_https(self) -> bool:
        """Whether the response redirects to https on the same host."""
        target = urlsplit(self.location)
        return target.scheme == "https" and target.hostname == urlsplit(self.url).hostname

    @property
    def health(self) -> Health:
        """Health reported in the body; "contradictory" for status healthy with a service down.

        Raises:
            OutputError: the body is not a health answer.
        """
        try:
            answer = json.loads(self.body)
            status, services = str(answer["status"]), dict(answer["services"])
        except (ValueError, KeyError, TypeError) as error:
            raise OutputError(f"{self.url} answers {self.status} without health status: {self.body[:80]!r}") from error
        states = {name: state for name, state in services.items() if name not in FIGURES}
        if not states:
            raise OutputError(f"{self.url} lists no services")
        down = tuple(name for name, state in sorted(states.items()) if not _is_up(state))
        return Health("contradictory" if status == "healthy" and down else status, down)


def _is_up(state: Any) -> bool:
    # Two formats exist: "up" and {"status": "up"}.
    return bool((state.get("status") if isinstance(state, dict) else state) == "up")


class Responses(ResourceFact[Endpoint, Response]):
    """Response of each declared endpoint to one GET."""

    resource = "endpoint"

    def command(self, host: Host, name: str, resource: Endpoint) -> Command:
        """One request without redirects; a hung endpoint costs its timeout once."""
        return curl.get(resource.url, resource.timeout, *resource.options)

    def parse(self, answer: Answer, name: str, resource: Endpoint) -> Response:
        """The response; a silent endpoint is absent."""
        if silence := curl.silence(answer, resource.timeout):
            raise Absent(f"{resource.url}: {silence}")
        page = curl.page(answer)
        return Response(resource.url, page.status, page.elapsed_s, page.body, page.location)
