"""Health checks of real servers of HTTP, found by GET requests."""

import json
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from opsproof.discovery import endpoints
from opsproof.discovery.endpoints import Site
from opsproof.discovery.looking import asked
from opsproof.facts.listeners import Listener
from opsproof.inventory.endpoints import Endpoint
from opsproof.inventory.hosts import Host
from opsproof.transport.shell import Answer

HOST = Host(transport="local://").placed("h", ())
HEALTHY = json.dumps({"status": "healthy", "services": {"database": "up"}})
DEGRADED = json.dumps({"status": "degraded", "services": {"database": "down"}})
PAGE = "<!doctype html><title>Shop</title>"


@contextmanager
def serving(pages, *, every="", proxied=False):
    """A server with the `pages`, as status and body by path; `every` is the body of all other paths."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            requests.append((self.command, self.path))
            status, body = pages.get(self.path, (200 if every else 404, every))
            if proxied and self.headers.get("X-Forwarded-Proto") != "https":
                status, body = 403, "https only"
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_):
            pass

    requests = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port, requests
    finally:
        server.shutdown()
        server.server_close()


def found(port, paths=()):
    roots = asked(HOST, endpoints.by_port([Listener("127.0.0.1", port)]))
    sites = endpoints.sites(roots, [])
    answers = asked(HOST, endpoints.by_path(sites, paths))
    plain = asked(HOST, endpoints.without_proxy(sites, answers))
    sight = endpoints.seen(sites, answers, plain)
    sight.add(endpoints.others(roots, []))
    return sight


@pytest.mark.parametrize(
    ("pages", "options", "url", "fields", "doubt"),
    [
        ({"/health": (200, HEALTHY)}, {}, "/health", {"answer": "health"}, ""),
        ({"/health": (200, DEGRADED)}, {}, "/health", {"answer": "health"}, "is degraded now"),
        ({"/healthz": (503, "no database")}, {}, "/healthz", {}, "answers 503 now"),
        ({"/healthz": (200, "ok")}, {"every": PAGE}, "/healthz", {}, ""),
        ({"/api/health": (200, '{"status": "UP"}')}, {}, "/api/health", {}, 'answers a status: answer = "json"'),
        ({"/ready": (200, "ok")}, {"proxied": True}, "/ready", {"headers": {"X-Forwarded-Proto": "https"}}, ""),
        ({}, {"every": PAGE}, "/", {}, "has no health check at the usual paths"),
        ({"/up": (200, "ok")}, {}, "/up", {}, ""),
    ],
)
def test_health_check_of_a_port_becomes_an_endpoint(pages, options, url, fields, doubt):
    with serving(pages, **options) as (port, requests):
        (entry,) = found(port, ["/up"]).entries
        assert {method for method, _ in requests} == {"GET"}
    assert entry.fields == {"url": f"http://127.0.0.1:{port}{url}", **fields}
    assert entry.confirm.startswith(doubt)
    assert bool(entry.confirm) == bool(doubt)
    Endpoint.model_validate(entry.fields)


def test_server_without_a_good_page_is_unseen():
    with serving({}) as (port, _):
        (unseen,) = found(port).unseen
    assert unseen.what == f"the health of http://127.0.0.1:{port}/, which answers 404"


def test_server_of_another_protocol_is_unseen():
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=lambda: server.accept()[0].sendall(b"220 mail\r\n"), daemon=True).start()
        port = server.getsockname()[1]
        (unseen,) = found(port).unseen
    assert unseen.what == f"the service on port {port}"


def test_server_of_tls_is_unseen():
    answer = Answer(0, "Client sent an HTTP request to an HTTPS server.\n\n400 0.001 ")
    assert endpoints.sites({"http://127.0.0.1:8443/": answer}, []) == []
    (unseen,) = endpoints.others({"http://127.0.0.1:8443/": answer}, []).unseen
    assert unseen.what == "the HTTPS server on port 8443"


def test_names_of_a_proxy_replace_its_ports():
    answers = dict.fromkeys(("http://127.0.0.1:80/", "http://127.0.0.1:3000/"), Answer(0, "\n301 0.001 "))
    configured = {"site": ["https 01", "https 02"]}
    named = endpoints.roots(configured, {"01": "shop.test", "02": "shop.test:8443"}, {80, 443})
    assert named == ["https://shop.test/", "https://shop.test:8443/", "http://shop.test/"]
    assert endpoints.sites(answers, named) == [
        Site("http://127.0.0.1:3000/"),
        *(Site(each, is_named=True) for each in named),
    ]


def test_name_that_leads_to_https_is_a_redirect_with_its_limit():
    site = Site("http://shop.test/", is_named=True)
    (entry,) = endpoints.seen([site], {site.root: Answer(0, "\n301 0.001 https://shop.test/")}, {}).entries
    endpoint = Endpoint.model_validate(entry.fields)
    assert (entry.name, endpoint.answer) == ("shop.test-redirect", "redirect")
    assert endpoint.limits.http_status.must == [">= 301", "<= 308"]


def test_name_without_dns_is_unseen_with_the_reason():
    site = Site("https://shop.test/", is_named=True)
    (unseen,) = endpoints.seen([site], {site.root: Answer(6, "", "curl: (6) Could not resolve host")}, {}).unseen
    assert unseen.what == "the health of https://shop.test/, which host name cannot be resolved"
