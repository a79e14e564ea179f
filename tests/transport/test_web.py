"""Requests from the machine that runs opsproof, to real servers at loopback addresses."""

import json
import socket
import threading
import time
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from opsproof.transport.web import Visit, visit

CUT = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab"


class Site(BaseHTTPRequestHandler):
    """Tells how it was asked; redirects, floods or ends early by path."""

    def do_GET(self):
        body = f"{self.headers['Host']} {self.headers.get('X-Own')} {self.headers.get('Authorization')}".encode()
        self.send_response(302 if self.path == "/moved" else 200)
        if self.path == "/moved":
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", str({"/cut": 10**6, "/flood": 5 * 2**20}.get(self.path, len(body))))
        self.end_headers()
        self.wfile.write(body if self.path != "/flood" else b"x" * 5 * 2**20)

    def log_message(self, *args):
        pass


@contextmanager
def served(handler, address="127.0.0.1", port=0):
    server = ThreadingHTTPServer((address, port), handler)
    threading.Thread(target=server.serve_forever).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def talking(talk):
    """The port of a server that handles each connection by `talk`."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                talk(connection)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


@pytest.fixture(scope="module")
def port():
    with served(Site) as port:
        yield port


def asked(url, **fields):
    answer = visit(Visit(url, **{"timeout_s": 2.0, **fields}))
    assert answer.status == 0, answer.stderr
    return json.loads(answer.stdout)


@pytest.fixture
def named(monkeypatch):
    """Gives a name several addresses; addresses keep their meaning."""
    real = socket.getaddrinfo

    def named(*addresses):
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 0)) for each in addresses]
        monkeypatch.setattr(
            socket, "getaddrinfo", lambda name, *rest, **more: real(name, *rest, **more) if name in addresses else found
        )

    return named


def test_name_is_asked_with_its_headers_at_its_address(port):
    (page,) = asked(f"http://localhost:{port}/", headers=(("X-Own", "yes"),), addresses="ipv4")
    assert (page["address"], page["status"]) == ("127.0.0.1", 200)
    assert page["body"] == f"localhost:{port} yes None"
    assert 0 < page["elapsed_s"] < 2


def test_redirect_is_shown_and_not_followed(port):
    (page,) = asked(f"http://127.0.0.1:{port}/moved")
    assert (page["status"], page["location"]) == (302, f"http://127.0.0.1:{port}/elsewhere")


def test_proxy_and_netrc_of_the_environment_are_ignored(port, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login ops password hunter2\n")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    (page,) = asked(f"http://127.0.0.1:{port}/")
    assert page["body"] == f"127.0.0.1:{port} None None"


def test_every_address_of_the_name_is_asked(port, named):
    named("127.0.0.1", "127.0.0.2", "127.0.0.3")
    with served(Site, "127.0.0.2", port):
        pages = asked(f"http://site.example:{port}/")
    assert [(each["address"], each.get("status"), each.get("silence")) for each in pages] == [
        ("127.0.0.1", 200, None),
        ("127.0.0.2", 200, None),
        ("127.0.0.3", None, "connection refused"),
    ]
    assert pages[0]["body"].startswith(f"site.example:{port} ")


@pytest.mark.parametrize(
    ("talk", "silence"),
    [
        (lambda _: None, "connection closed without an answer"),
        (lambda connection: connection.sendall(b"SSH-2.0-x\r\n"), "answer is not HTTP"),
        (
            lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab"),
            "answer was cut short",
        ),
        (lambda _: time.sleep(2), "no answer within 0.5 s"),
    ],
    ids=["closed", "another protocol", "cut", "hung"],
)
def test_silence_names_what_the_server_did(talk, silence):
    with talking(talk) as port:
        assert asked(f"http://127.0.0.1:{port}/", timeout_s=0.5) == [{"address": "127.0.0.1", "silence": silence}]


def test_slow_headers_end_at_the_timeout():
    def drip(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        with suppress(OSError):
            for _ in range(30):
                connection.sendall(b"y")
                time.sleep(0.1)

    with talking(drip) as port:
        started = time.monotonic()
        (page,) = asked(f"http://127.0.0.1:{port}/", timeout_s=0.5)
    assert page["silence"] == "no answer within 0.5 s"
    assert time.monotonic() - started < 1.5


def test_flood_is_unmeasured(port):
    (page,) = asked(f"http://127.0.0.1:{port}/flood")
    assert page["unmeasured"] == "the answer has more than 4 MiB"


def test_plain_server_on_the_port_of_https_fails_the_handshake(port):
    (page,) = asked(f"https://127.0.0.1:{port}/")
    assert page["silence"] == "TLS handshake failed"


def test_unknown_name_is_a_silence_of_the_name(monkeypatch):
    _fail_resolution(monkeypatch, socket.EAI_NONAME)
    (page,) = asked("http://nowhere.example/")
    assert page == {"address": "nowhere.example", "silence": "host name cannot be resolved"}


def test_silent_resolver_of_this_machine_is_unmeasured(monkeypatch):
    _fail_resolution(monkeypatch, socket.EAI_AGAIN)
    answer = visit(Visit("http://site.example/", 1.0))
    assert (answer.status, answer.stderr) == (1, "site.example cannot be resolved here: later")


def _fail_resolution(monkeypatch, status):
    def getaddrinfo(*_, **__):
        raise socket.gaierror(status, "later")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
