"""What HTTP endpoints answer, asked from the host itself as the reverse proxy asks them."""

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
"""What stands among the services of a health answer and is none."""


@dataclass(frozen=True)
class Health:
    """The platform's own word for its state, and the services it does not call up."""

    status: str
    down: tuple[str, ...]


@dataclass(frozen=True)
class Response:
    """An endpoint's answer: HTTP status, time in seconds, body, and where it redirects to, if it does."""

    url: str
    status: int
    elapsed_s: float
    body: str
    location: str = ""

    @property
    def leads_to_https(self) -> bool:
        """Whether it redirects to https on the same host."""
        target = urlsplit(self.location)
        return target.scheme == "https" and target.hostname == urlsplit(self.url).hostname

    @property
    def health(self) -> Health:
        """What the body says of the platform's health; "contradictory" when it is healthy with a service down.

        Raises:
            OutputError: the body is no health answer.
        """
        try:
            said = json.loads(self.body)
            status, services = str(said["status"]), dict(said["services"])
        except (ValueError, KeyError, TypeError) as error:
            raise OutputError(f"{self.url} answers {self.status} without its health: {self.body[:80]!r}") from error
        states = {name: state for name, state in services.items() if name not in FIGURES}
        if not states:
            raise OutputError(f"{self.url} names no service")
        down = tuple(name for name, state in sorted(states.items()) if not _is_up(state))
        return Health("contradictory" if status == "healthy" and down else status, down)


def _is_up(state: Any) -> bool:
    # One shape says "up", the other {"status": "up"}.
    return bool((state.get("status") if isinstance(state, dict) else state) == "up")


class Responses(ResourceFact[Endpoint, Response]):
    """The answer of each declared endpoint to one GET."""

    resource = "endpoint"

    def command(self, host: Host, name: str, resource: Endpoint) -> Command:
        """One request that follows no redirect; a hung endpoint costs its timeout once."""
        headers = [word for key, value in resource.headers.items() for word in ("--header", f"{key}: {value}")]
        return curl.get(resource.url, resource.timeout, *headers)

    def parse(self, answer: Answer, name: str, resource: Endpoint) -> Response:
        """The response; an endpoint that does not give one is absent."""
        if silence := curl.silence(answer, resource.timeout):
            raise Absent(f"{resource.url}: {silence}")
        page = curl.page(answer)
        return Response(resource.url, page.status, page.elapsed_s, page.body, page.location)
