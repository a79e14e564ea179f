import socket
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

import pytest

from opsproof.core.errors import Absent, CommandError, OutputError
from opsproof.facts.endpoints import Response, Responses
from opsproof.facts.health import Health
from opsproof.inventory.endpoints import Endpoint
from opsproof.inventory.hosts import Host
from opsproof.transport.shell import Answer, run
from tests.harness.pages import served

ENDPOINT = Endpoint(url="http://127.0.0.1:3000/health", timeout="5s")


def response(body):
    return Response(ENDPOINT.url, 200, 0.1, body)


@pytest.mark.parametrize(
    ("name", "status", "health"),
    [
        ("curl_health.txt", 200, Health("healthy", ())),
        ("curl_api_health.txt", 200, Health("healthy", ())),
    ],
)
def test_both_health_formats_are_parsed(recorded, name, status, health):
    found = Responses().parse(recorded(name), "health", ENDPOINT)
    assert (found.status, found.health) == (status, health)
    assert 0 < found.elapsed_s < 1


def test_refused_plain_http_has_status_but_no_health(recorded):
    found = Responses().parse(recorded("curl_https_required.txt"), "health", ENDPOINT)
    assert found.status == 403
    with pytest.raises(OutputError, match=r"answers 403 without health status: '\{\"success\":false"):
        _ = found.health


@pytest.mark.parametrize(
    ("body", "health"),
    [
        ('{"status": "degraded", "services": {"database": "down", "redis": "up"}}', Health("degraded", ("database",))),
        ('{"status": "unhealthy", "services": {"b": "down", "a": "down"}}', Health("unhealthy", ("a", "b"))),
        ('{"status": "healthy", "services": {"database": "down"}}', Health("contradictory", ("database",))),
        ('{"status": "healthy", "services": {"database": {"status": "down"}, "memory": {"used": 5}}}',
         Health("contradictory", ("database",))),
        ('{"status": "healthy", "services": {"database": null}}', Health("contradictory", ("database",))),
    ],
)  # fmt: skip
def test_healthy_status_with_service_down_is_contradictory(body, health):
    assert response(body).health == health


@pytest.mark.parametrize(
    "body",
    ["", "healthy", "[]", "{}", "null", '{"status": "healthy"}', '{"status": "healthy", "services": {}}',
     '{"status": "healthy", "services": []}', '{"services": {"database": "up"}}', "<html>502 Bad Gateway</html>"],
)  # fmt: skip
def test_a_body_without_health_is_not_healthy(body):
    with pytest.raises(OutputError, match=ENDPOINT.url):
        _ = response(body).health


@pytest.mark.parametrize(
    ("status", "complaint"),
    [
        (7, "connection refused"),
        (28, "no answer within 5 s"),
        (52, "connection closed without an answer"),
        (35, "TLS handshake failed"),
        (51, "certificate is for another name"),
        (60, "certificate not trusted"),
        (16, "HTTP/2 framing error"),
        (55, "connection closed during the request"),
        (92, "HTTP/2 stream error"),
        (95, "HTTP/3 error"),
        (100, "headers are too large"),
    ],
)
def test_silent_endpoint_is_absent(status, complaint):
    with pytest.raises(Absent) as caught:
        Responses().parse(Answer(status, "\n000 0.1", "curl: (7)"), "health", ENDPOINT)
    assert str(caught.value) == f"{ENDPOINT.url}: {complaint}"


@pytest.mark.parametrize(
    ("name", "doubt"),
    [
        ("curl_certificate_self_signed.txt", "self-signed certificate"),
        (
            "curl_certificate_of_another_name.txt",
            "certificate subject name 'other.example' does not match target host name '127.0.0.1'",
        ),
    ],
)
def test_untrusted_certificate_is_absent_with_reason(recorded, name, doubt):
    with pytest.raises(Absent) as caught:
        Responses().parse(recorded(name, 60), "public", ENDPOINT)
    assert str(caught.value) == f"{ENDPOINT.url}: certificate not trusted: {doubt}"


def test_host_without_ca_store_is_a_measurement_error():
    with pytest.raises(CommandError, match="error setting certificate file"):
        Responses().parse(Answer(77, "", "curl: (77) error setting certificate file: /etc/ssl"), "public", ENDPOINT)


@pytest.mark.parametrize(
    ("location", "https"),
    [
        ("https://chat.example/health", True),
        ("https://CHAT.example:443/", True),
        ("https://chat.example.evil/", False),
        ("https://www.chat.example/", False),
        ("http://chat.example/login", False),
        ("", False),
    ],
)
def test_redirect_must_lead_to_https_on_same_host(location, https):
    assert Response("http://chat.example/health", 308, 0.1, "", location).leads_to_https is https


def test_curl_usage_error_is_a_measurement_error():
    with pytest.raises(CommandError, match="curl ended with status 2"):
        Responses().parse(Answer(2, "", "curl: option --x: is unknown"), "health", ENDPOINT)


class Page(BaseHTTPRequestHandler):
    """Echoes the request; hangs, redirects or disconnects by path."""

    def do_GET(self):
        if self.path == "/hangs":
            time.sleep(2)
        elif self.path == "/redirects":
            self.send_response(302)
            self.send_header("Location", "/health")
            self.end_headers()
        elif self.path != "/breaks":
            body = f"{self.command} {self.path} {self.headers.get('X-Forwarded-Proto')}\nsecond line\n".encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def server():
    with served(Page) as address:
        yield address


@pytest.fixture
def ask():
    def ask(url, **fields):
        endpoint = Endpoint(url=url, **{"timeout": "5s", **fields})
        host = Host(transport="local://").placed("vps", ())
        (answer,) = run(host, (Responses().command(host, "page", endpoint),))
        return Responses().parse(answer, "page", endpoint)

    return ask


def test_endpoint_gets_one_get_with_declared_headers(server, ask):
    found = ask(f"{server}/[x]{{y}}?z=%20", headers={"X-Forwarded-Proto": "https"})
    assert (found.status, found.body) == (200, "GET /[x]{y}?z=%20 https\nsecond line\n")
    assert found.location == ""


def test_no_redirect_is_followed(server, ask):
    found = ask(f"{server}/redirects")
    assert (found.status, found.location) == (302, f"{server}/health")
    assert not found.leads_to_https


@pytest.mark.parametrize(
    ("path", "timeout", "complaint"),
    [("/hangs", "300ms", "no answer within 0.3 s"), ("/breaks", "5s", "connection closed without an answer")],
)
def test_silent_server_is_absent(server, ask, path, timeout, complaint):
    with pytest.raises(Absent, match=complaint):
        ask(server + path, timeout=timeout)


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{", "answer was cut short"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{", "answer was cut short"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: secret\r\n\r\n{", "unknown transfer encoding"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n{", "answer is not HTTP"),
        (b"HTTP/7.3 200 OK\r\n\r\n", "answer is not HTTP"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "answer is not HTTP"),
        (b"-ERR unknown command 'GET'\r\n", "answer is not HTTP"),
    ],
)
def test_broken_answer_is_absent(ask, answer, complaint):
    with said(answer) as address, pytest.raises(Absent) as caught:
        ask(address)
    assert str(caught.value) == f"{address}: {complaint}"


@contextmanager
def said(answer):
    """A server that gives the same answer to a single request, and closes the connection."""

    def serve():
        connection, _ = listening.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        thread.join()


def test_curl_without_https_is_a_measurement_error():
    stderr = 'curl: (1) Protocol "https" not supported or disabled in libcurl'
    with pytest.raises(CommandError, match="not supported"):
        Responses().parse(Answer(1, "", stderr), "public", ENDPOINT)


def test_a_closed_port_is_absent(ask, free_port):
    with pytest.raises(Absent, match="connection refused"):
        ask(f"http://127.0.0.1:{free_port}/")
