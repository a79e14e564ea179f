"""Faults of the proxy in front of the API."""

from collections.abc import Iterator
from contextlib import contextmanager

from lab.docker import DockerLab
from lab.docker.faults.fault import fault
from lab.docker.faults.steps import ANSWERS, of, written
from lab.fault import shows

CADDYFILE = "/etc/caddy/Caddyfile"
RESTART = "systemctl reset-failed caddy; systemctl restart caddy"
"""Restarts Caddy and waits; resets systemd's start limit, since several faults restart Caddy in a row."""
TLS = "/etc/caddy/tls"
PUBLIC = of("public", *ANSWERS)
REDIRECT = "redir https://{host}{uri} 301"
SIGN = (
    f"cd {TLS} && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90 -subj /CN=chat.lab.test"
    " -addext subjectAltName=DNS:chat.lab.test -keyout chat.lab.test.key -out chat.lab.test.crt && chown -R caddy: ."
)


@fault(
    failed=(
        *PUBLIC,
        *of(
            "plain-http", "test_endpoint_responds", "test_response_time_is_within_limit", "test_http_redirects_to_https"
        ),
    ),
    touches=("proxy",),
)
@shows("Failed to connect")
def proxy_stopped(lab: DockerLab) -> Iterator[None]:
    """The API works, but is unreachable from outside."""
    lab.root("systemctl", "stop", "caddy")
    yield
    lab.root("systemctl", "start", "caddy")


@fault(failed=PUBLIC, touches=("proxy",))
@shows("certificate has expired")
def certificate_expired(lab: DockerLab) -> Iterator[None]:
    """The certificate was not renewed."""
    with _certificate(lab, "lab-certificate -1"):
        yield


@fault(failed=PUBLIC, touches=("proxy",))
@shows("self-signed certificate")
def certificate_self_signed(lab: DockerLab) -> Iterator[None]:
    """No browser trusts the certificate."""
    with _certificate(lab, SIGN):
        yield


@fault(failed=of("plain-http", "test_endpoint_responds", "test_http_redirects_to_https"), touches=("proxy",))
@shows("HTTP/1.1 200")
def http_not_redirected(lab: DockerLab) -> Iterator[None]:
    """Requests are answered over plain HTTP, even with passwords."""
    with _configured(lab, REDIRECT, 'respond "Welcome" 200'):
        yield


@fault(failed=of("plain-http", "test_http_redirects_to_https"), touches=("proxy",))
@shows("https://elsewhere.test")
def http_redirected_to_foreign_host(lab: DockerLab) -> Iterator[None]:
    """HTTP redirects to a foreign host."""
    with _configured(lab, REDIRECT, "redir https://elsewhere.test{uri} 301"):
        yield


@contextmanager
def _configured(lab: DockerLab, before: str, after: str) -> Iterator[None]:
    text = lab.root("cat", CADDYFILE)
    with written(lab, CADDYFILE, text.replace(before, after), ("sh", "-c", RESTART)):
        yield


@contextmanager
def _certificate(lab: DockerLab, command: str) -> Iterator[None]:
    """Replaces the certificate by a shell command."""
    lab.root("cp", "-a", TLS, f"{TLS}.aside")
    try:
        lab.root("sh", "-ec", f"({command}) 2> /dev/null; {RESTART}")
        yield
    finally:
        lab.root("sh", "-ec", f"rm -r {TLS}; mv {TLS}.aside {TLS}; {RESTART}")
