"""Faults of the site: nginx, its certificate, and the service behind it."""

from collections.abc import Iterator
from contextlib import contextmanager

from lab.fault import shows
from lab.shop import ShopLab
from lab.shop.faults.fault import fault
from lab.waiting import wait_until

TLS = "/etc/nginx/tls"
SITE = "/etc/nginx/sites-enabled/shop"
ANSWERS = ("test_endpoint_responds", "test_response_time_is_within_limit")
HEALTH = "test_platform_is_healthy"


def of(endpoint: str, *checks: str) -> tuple[str, ...]:
    """The tests of checks of an endpoint."""
    return tuple(f"{check}[shop-{endpoint}]" for check in checks)


OVER_TLS = (*of("site", *ANSWERS, HEALTH), *of("outside", *ANSWERS))


@contextmanager
def _certificate(lab: ShopLab, command: str) -> Iterator[None]:
    """Replaces the certificate by a shell command."""
    lab.root("cp", "-a", TLS, f"{TLS}.aside")
    try:
        lab.root("sh", "-ec", command)
        _reload(lab)
        yield
    finally:
        lab.root("sh", "-ec", f"rm -r {TLS}; mv {TLS}.aside {TLS}")
        _reload(lab)


def _reload(lab: ShopLab) -> None:
    """Has nginx read its settings; its old workers answer with the old ones until they end."""
    before = _workers(lab)
    lab.root("systemctl", "reload", "nginx")
    wait_until(lambda: _workers(lab) and not _workers(lab) & before, "nginx has new workers")


def _workers(lab: ShopLab) -> set[str]:
    return set(lab.root("sh", "-c", "pgrep --parent $(cat /run/nginx.pid) || true").split())


@fault(failed=OVER_TLS, touches=("nginx",))
@shows("certificate has expired")
def certificate_of_own_authority_expired(lab: ShopLab) -> Iterator[None]:
    """The certificate by the shop's own authority was not renewed."""
    with _certificate(lab, "shop-certificate -1"):
        yield


@fault(failed=OVER_TLS, touches=("nginx",))
@shows("unable to get local issuer certificate|certificate signature failure")
def certificate_of_another_authority(lab: ShopLab) -> Iterator[None]:
    """A second authority was made, and clients still trust the first."""
    with _certificate(lab, "mv /etc/shop-ca /etc/ca; shop-certificate; rm -r /etc/shop-ca; mv /etc/ca /etc/shop-ca"):
        yield


@fault(failed=of("plain-http", "test_endpoint_responds", "test_http_redirects_to_https"), touches=("nginx",))
@shows("HTTP/1.1 200")
def site_not_redirected(lab: ShopLab) -> Iterator[None]:
    """Requests are answered over plain HTTP, even with passwords."""
    path = lab.layout.root / SITE.lstrip("/")
    text = path.read_text()
    path.write_text(text.replace("return 301 https://$host$request_uri;", 'return 200 "Welcome";'))
    _reload(lab)
    yield
    path.write_text(text)
    _reload(lab)
