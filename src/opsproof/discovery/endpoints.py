"""HTTP endpoints: a GET to each listening port, and to the paths of health checks."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from opsproof.core.errors import MeasurementError
from opsproof.discovery.listeners import place, service
from opsproof.discovery.services import PATIENCE_S
from opsproof.discovery.sight import Entry, Sight, Unseen
from opsproof.discovery.toml import Value
from opsproof.facts import curl
from opsproof.facts.curl import HttpResponse
from opsproof.facts.health import of_platform
from opsproof.facts.listeners import Listener
from opsproof.transport.shell import Answer, Command

HEALTH_PATHS = (
    "/health",
    "/healthz",
    "/livez",
    "/readyz",
    "/ready",
    "/-/healthy",
    "/actuator/health",
    "/api/health",
    "/api/health/live",
    "/api/health/ready",
)
"""Usual paths of health checks, asked besides those in the configuration of nginx."""
PROXIED = "X-Forwarded-Proto: https"
"""The header of a proxy that ends TLS: some applications refuse requests without the header."""
_REDIRECT: Value = {"http_status": {"must": [">= 301", "<= 308"], "source": "RFC 9110, section 15.4"}}


@dataclass(frozen=True)
class Site:
    """A server of HTTP: the address of a port, or a name in the configuration of a proxy."""

    root: str
    is_named: bool = False

    @property
    def name(self) -> str:
        """The beginning of the endpoints' names."""
        place = urlsplit(self.root)
        return place.netloc if self.is_named else f"port-{place.port or 80}"


def by_port(listeners: Sequence[Listener]) -> dict[str, Command]:
    """A GET to each port without a known service, by URL."""
    ports = sorted({each.port for each in listeners if not service(each.port, listeners)})
    addresses = {port: place(port, listeners) for port in ports}
    roots = [f"http://{f'[{each}]' if ':' in each else each}:{port}/" for port, each in addresses.items()]
    return {root: curl.get(root, PATIENCE_S) for root in roots}


def response(answer: Answer) -> HttpResponse | None:
    """The response of a server of HTTP; None for servers of further protocols, and for silent servers."""
    try:
        return curl.page(answer)
    except (MeasurementError, ValueError):
        return None


def sites(answers: Mapping[str, Answer], named: Collection[str]) -> list[Site]:
    """The servers that answered to `by_port`, and the names of proxies; with names, 80 and 443 are the proxy's."""
    roots = [root for root, answer in answers.items() if response(answer) is not None and not _speaks_tls(answer)]
    own = [root for root in roots if not (named and urlsplit(root).port in (80, 443))]
    return [*map(Site, own), *(Site(each, is_named=True) for each in named)]


def roots(configured: Mapping[str, list[str]], text: Mapping[str, str], ports: Collection[int]) -> list[str]:
    """The URLs of the sites in the lines of configured.pl; also on port 80, for redirects.

    `text` maps the hexadecimal digits of a name to the name.
    """
    pairs = [each.split(" ") for each in configured.get("site", [])]
    found = [f"{scheme}://{text[name]}/" for scheme, name in pairs]
    plain = [each.replace("https:", "http:", 1) for each in found if 80 in ports and ":" not in each[8:]]
    return list(dict.fromkeys([*found, *plain]))


def by_path(found: Sequence[Site], paths: Collection[str]) -> dict[str, Command]:
    """A GET as by a proxy to each path of the servers, by URL."""
    every = dict.fromkeys(["/", *paths, *HEALTH_PATHS])
    urls = [f"{site.root.rstrip('/')}{path}" for site in found for path in every]
    return {url: curl.get(url, PATIENCE_S, *_headers(url)) for url in urls}


def _headers(url: str) -> tuple[str, ...]:
    return ("--header", PROXIED) if url.startswith("http:") else ()


def healthy(site: Site, answers: Mapping[str, Answer]) -> dict[str, HttpResponse]:
    """The responses of health checks, by URL: not the page of an application for every path.

    A failing health check answers 503, or with a health status.
    """
    pages = {url: page for url, answer in answers.items() if url.startswith(site.root) and (page := response(answer))}
    front = pages.get(site.root)
    found = {url: page for url, page in pages.items() if url != site.root and _is_health(page)}
    return {url: page for url, page in found.items() if front is None or page.body != front.body}


def _is_health(page: HttpResponse) -> bool:
    is_html = page.body.lstrip()[:1] == "<"
    return not is_html and (200 <= page.status < 300 or page.status == 503 or _has_services(page.body))


def _has_services(body: str) -> bool:
    try:
        of_platform(body)
    except (ValueError, LookupError, TypeError, RecursionError):
        return False
    return True


def without_proxy(found: Sequence[Site], answers: Mapping[str, Answer]) -> dict[str, Command]:
    """The requests to health checks again, without the header of a proxy, by URL."""
    urls = [url for site in found for url in _chosen(site, answers) if _headers(url)]
    return {url: curl.get(url, PATIENCE_S) for url in urls}


def _chosen(site: Site, answers: Mapping[str, Answer]) -> dict[str, HttpResponse]:
    """All health checks of a port; the first of a name, because all lead to the same application."""
    found = healthy(site, answers)
    return dict(list(found.items())[:1]) if site.is_named else found


def seen(found: Sequence[Site], answers: Mapping[str, Answer], plain: Mapping[str, Answer]) -> Sight:
    """The endpoints of the servers; `plain` are the answers without the header of a proxy."""
    sight = Sight()
    for site in found:
        front = response(answers[site.root])
        if site.is_named and front is not None and _leads_to_https(site.root, front):
            fields: dict[str, Value] = {"url": site.root, "answer": "redirect", "limits": _REDIRECT}
            sight.entries.append(Entry("endpoints", f"{site.name}-redirect", fields))
        elif chosen := _chosen(site, answers):
            sight.entries += [_endpoint(site, url, page, plain.get(url)) for url, page in chosen.items()]
        else:
            sight.add(_without_health(site, front, answers[site.root]))
    return sight


def _leads_to_https(url: str, page: HttpResponse) -> bool:
    target = urlsplit(page.location)
    return target.scheme == "https" and target.hostname == urlsplit(url).hostname


def _endpoint(site: Site, url: str, page: HttpResponse, plain: Answer | None) -> Entry:
    path = urlsplit(url).path.strip("/").replace("/", "-")
    fields: dict[str, Value] = {"url": url}
    fields |= {"answer": "health"} if _has_services(page.body) else {}
    as_seen = response(plain) if plain else None
    needs_proxy = plain is not None and (as_seen is None or as_seen.status != page.status)
    name, _, value = PROXIED.partition(": ")
    fields |= {"headers": {name: value}} if needs_proxy else {}
    return Entry("endpoints", f"{site.name}-{path}", fields, "; ".join(_doubts(page)))


def _doubts(page: HttpResponse) -> list[str]:
    doubts = [] if 200 <= page.status < 300 else [f"answers {page.status} now"]
    if _has_services(page.body):
        status = of_platform(page.body).status
        return [*doubts, *([f"is {status} now"] if status != "healthy" else [])]
    try:
        found = json.loads(page.body)
    except (ValueError, RecursionError):
        return doubts
    if isinstance(found, dict) and isinstance(found.get("status"), str):
        doubts.append('answers a status: answer = "json" with path = "status" judges it, by limits.health_status')
    return doubts


def _without_health(site: Site, front: HttpResponse | None, answer: Answer) -> Sight:
    """The front page as an endpoint, if it is good; else unseen."""
    if front is not None and 200 <= front.status < 300:
        return Sight([Entry("endpoints", site.name, {"url": site.root}, "has no health check at the usual paths")])
    why = f"answers {front.status}" if front else curl.silence(answer, PATIENCE_S) or "cannot be asked"
    way = "endpoints with the URL of its health check"
    return Sight(unseen=[Unseen(f"the health of {site.root}, which {why}", way)])


def others(answers: Mapping[str, Answer], named: Collection[str], databases: Collection[str] = ()) -> Sight:
    """The ports whose server does not speak HTTP without TLS, but those of `databases`."""
    sight = Sight()
    for root, answer in answers.items():
        port = urlsplit(root).port
        if port in (80, 443) and named:
            continue
        if _speaks_tls(answer):
            sight.unseen.append(Unseen(f"the HTTPS server on port {port}", "endpoints with the https URL of its name"))
        elif response(answer) is None and str(port) not in databases:
            way = "endpoints with the health URL, if it answers HTTP; --dsn, if it is PostgreSQL"
            sight.unseen.append(Unseen(f"the service on port {port}", way))
    return sight


def _speaks_tls(answer: Answer) -> bool:
    page = response(answer)
    return page is not None and page.status == 400 and "HTTPS" in page.body.upper()
