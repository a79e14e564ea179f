"""HTTP endpoints, requested from the host itself like the reverse proxy does, or from outside like users do."""

import json
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from opsproof.core.errors import Absent, CommandError, OutputError
from opsproof.facts import curl
from opsproof.facts.base import ResourceFact
from opsproof.facts.health import Health, Reader, of_platform, reader
from opsproof.inventory.endpoints import Endpoint
from opsproof.inventory.hosts import Host
from opsproof.transport.shell import Answer, Command
from opsproof.transport.web import Visit


@dataclass(frozen=True)
class Response:
    """Response of an endpoint: HTTP status, time in seconds, body, and redirect target, if any.

    `address` is the asked address, and `others` are the responses of further addresses, for requests from outside.
    """

    url: str
    status: int
    elapsed_s: float
    body: str
    location: str = ""
    read: Reader = field(default=of_platform, compare=False, repr=False)
    address: str = ""
    others: tuple["Response", ...] = ()

    @property
    def leads_to_https(self) -> bool:
        """Whether the response redirects to https on the same host."""
        target = urlsplit(self.location)
        return target.scheme == "https" and target.hostname == urlsplit(self.url).hostname

    @property
    def health(self) -> Health:
        """Health reported in the body; "contradictory" for status healthy with a service down.

        Raises:
            OutputError: a body is not a health answer.
            Absent: the pattern is missing, or two addresses report different health.
        """
        found = {each.address: each.own_health for each in (self, *self.others)}
        if len(set(found.values())) > 1:
            said = ", ".join(f"{health.status} at {address}" for address, health in found.items())
            raise Absent(f"{self.url}: health differs: {said}")
        return found[self.address]

    @property
    def own_health(self) -> Health:
        """As `health`, of this address alone."""
        try:
            return self.read(self.body)
        except Absent as error:
            raise Absent(f"{self.url}: {error}") from None
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            said = f"{self.url} answers {self.status} without health status: {self.body[:80]!r}"
            raise OutputError(f"{said} ({error})" if isinstance(error, ValueError) else said) from error


class Responses(ResourceFact[Endpoint, Response]):
    """Response of each declared endpoint to one GET."""

    resource = "endpoint"

    def visit(self, name: str, resource: Endpoint) -> Visit | None:
        """A request to each address of the name, for an endpoint asked from outside."""
        if not resource.is_outside:
            return None
        headers = tuple(resource.headers.items())
        return Visit(resource.url, resource.timeout, headers, resource.ca, resource.addresses)

    def command(self, host: Host, name: str, resource: Endpoint) -> Command:
        """One request without redirects; a hung endpoint costs its timeout once."""
        return curl.get(resource.url, resource.timeout, *resource.options)

    def parse(self, answer: Answer, name: str, resource: Endpoint) -> Response:
        """The response; a silent endpoint is absent."""
        if resource.is_outside:
            return _from_outside(answer, resource)
        if silence := curl.silence(answer, resource.timeout):
            raise Absent(f"{resource.url}: {silence}")
        page = curl.page(answer)
        return Response(resource.url, page.status, page.elapsed_s, page.body, page.location, reader(resource))


def _from_outside(answer: Answer, endpoint: Endpoint) -> Response:
    """The slowest of the responses of all addresses, with the others.

    Raises:
        Absent: an address is silent, or two answer with different statuses or targets.
        CommandError: an address could not be asked.
    """
    if answer.status:
        raise CommandError(f"{endpoint.url} could not be requested: {answer.stderr}")
    pages = json.loads(answer.stdout)
    for key, error in (("silence", Absent), ("unmeasured", CommandError)):
        if found := [f"{page['address']}: {page[key]}" for page in pages if key in page]:
            raise error(f"{endpoint.url}: {', '.join(found)}")
    responses = sorted((_response(page, endpoint) for page in pages), key=lambda each: -each.elapsed_s)
    if len({(each.status, each.location) for each in responses}) > 1:
        said = ", ".join(f"{each.status} {each.location}".strip() + f" at {each.address}" for each in responses)
        raise Absent(f"{endpoint.url}: answers differ: {said}")
    return replace(responses[0], others=tuple(responses[1:]))


def _response(page: dict[str, object], endpoint: Endpoint) -> Response:
    return Response(url=endpoint.url, read=reader(endpoint), **page)  # type: ignore[arg-type]
