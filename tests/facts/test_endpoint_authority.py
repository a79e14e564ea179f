"""An endpoint with a certificate of an own authority is trusted by `ca` alone, with a real server."""

import http.server
import shutil
import ssl
import subprocess
import threading

import pytest
from pydantic import ValidationError

from opsproof.core.errors import Absent, CommandError
from opsproof.facts.endpoints import Responses
from opsproof.inventory.endpoints import Endpoint
from opsproof.inventory.hosts import Host
from opsproof.round.clients import Target, line
from opsproof.transport.shell import run
from opsproof.transport.web import visit

pytestmark = pytest.mark.skipif(not (shutil.which("openssl") and shutil.which("curl")), reason="needs openssl and curl")
HOST = Host(transport="local://").placed("vps", ())


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The URL of a server, and the file of its authority."""
    folder = tmp_path_factory.mktemp("site")
    authority = ["-x509", "-subj", "/CN=Own Authority", "-keyout", "ca.key", "-out", "ca.pem", "-days", "2"]
    leaf = ["-x509", "-CA", "ca.pem", "-CAkey", "ca.key", "-subj", "/CN=site", "-addext", "subjectAltName=IP:127.0.0.1"]
    leaf += ["-addext", "basicConstraints=critical,CA:FALSE", "-keyout", "site.key", "-out", "site.pem", "-days", "2"]
    for words in (authority, leaf):
        command = ["openssl", "req", "-newkey", "rsa:2048", "-noenc", *words]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "site.pem", folder / "site.key")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}/", folder / "ca.pem"
    server.shutdown()
    thread.join()
    server.server_close()


def response(url, **declared):
    endpoint = Endpoint(url=url, **declared)
    (answer,) = run(HOST, (Responses().command(HOST, "site", endpoint),))
    return Responses().parse(answer, "site", endpoint)


def test_own_authority_is_trusted_where_declared(site):
    url, authority = site
    assert response(url, ca=str(authority)).status == 501
    with pytest.raises(Absent, match="certificate not trusted"):
        response(url)


def outside(url, **declared):
    endpoint = Endpoint(**{"url": url, "from": "controller", **declared})
    return Responses().parse(visit(Responses().visit("site", endpoint)), "site", endpoint)


def test_own_authority_is_trusted_from_outside_where_declared(site):
    url, authority = site
    assert outside(url, ca=str(authority)).status == 501
    with pytest.raises(Absent, match=r"127\.0\.0\.1: certificate not trusted: unable to get local issuer certificate"):
        outside(url)


def test_certificate_must_be_of_the_name_from_outside(site):
    url, authority = site
    with pytest.raises(Absent, match="Hostname mismatch, certificate is not valid for 'localhost'"):
        outside(url.replace("127.0.0.1", "localhost"), ca=str(authority), addresses="ipv4")


@pytest.mark.parametrize("content", [None, "no certificate"], ids=["missing", "empty"])
def test_unusable_file_of_an_authority_is_unknown_from_outside(site, tmp_path, content):
    if content:
        (tmp_path / "own.pem").write_text(content)
    with pytest.raises(CommandError, match=r"own\.pem has no certificates"):
        outside(site[0], ca=str(tmp_path / "own.pem"))


def test_missing_file_of_an_authority_is_unknown(site, tmp_path):
    with pytest.raises(CommandError, match="curl ended with status 77"):
        response(site[0], ca=str(tmp_path / "none.pem"))


def test_remedy_trusts_the_same_authority(site):
    url, authority = site
    said = line(Target(HOST, "site", Endpoint(url=url, ca=str(authority))), ["curl", "--include"])
    assert f"--cacert {authority} {url}" in said


@pytest.mark.parametrize(
    ("url", "authority", "message"),
    [("http://a/", "/etc/own.pem", "valid only for https"), ("https://a/", "own.pem", "pattern")],
)
def test_unusable_authority_is_refused(url, authority, message):
    with pytest.raises(ValidationError, match=message):
        Endpoint(url=url, ca=authority)
