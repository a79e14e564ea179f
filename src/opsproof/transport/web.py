"""HTTP requests from the machine of opsproof; the only module to import requests.

The environment has no effect: no proxy, no netrc, no certificates from a variable.
"""

import errno
import http.client
import json
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urljoin, urlsplit

from opsproof.core.errors import CommandError, MeasurementError, OutputError
from opsproof.transport.shell import STREAM_CAP_BYTES, Answer

if TYPE_CHECKING:
    import requests

PORTS = {"http": 80, "https": 443}
FAMILIES = {"all": socket.AF_UNSPEC, "ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}
MOST_ADDRESSES = 32
_PART_BYTES = 2**16
_UNKNOWN_NAMES = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}
_OWN_FAULTS = {errno.ENETUNREACH, errno.EACCES, errno.EPERM, errno.EMFILE, errno.EADDRNOTAVAIL}
"""Errors of a connection by the fault of this machine, not of the server."""
_SILENCES: tuple[tuple[type[BaseException], str], ...] = (
    (TimeoutError, "no answer within {timeout:g} s"),
    (ssl.SSLCertVerificationError, "certificate not trusted"),
    (ssl.SSLError, "TLS handshake failed"),
    (ConnectionRefusedError, "connection refused"),
    (http.client.RemoteDisconnected, "connection closed without an answer"),
    (http.client.BadStatusLine, "answer is not HTTP"),
    (http.client.IncompleteRead, "answer was cut short"),
    (http.client.HTTPException, "headers are malformed or too large"),
    (ConnectionError, "connection reset"),
    (OSError, "connection failed"),
)
"""What a server did, by the exception at the root, the narrowest class first."""


@dataclass(frozen=True)
class Visit:
    """A GET request for `url` to each address of its name, without redirects.

    `ca` is a file with the certificates to trust; `addresses` is one of `FAMILIES`.
    """

    url: str
    timeout_s: float
    headers: tuple[tuple[str, str], ...] = ()
    ca: str = ""
    addresses: str = "all"


def load() -> None:
    """Imports requests, which silences warnings of its parts; in a thread, pytest may make them errors meanwhile."""
    import requests  # noqa: F401


def visit(wanted: Visit) -> Answer:
    """The responses of all addresses, asked at the same time, as a JSON list of objects.

    An object has `address`, and `silence` (why the server gave no answer), `unmeasured` (why no request was
    possible here), or `status`, `elapsed_s`, `body` and `location`. Exit status 1: the addresses are unknown.
    """
    sent = time.time()
    try:
        pages = _pages(wanted)
    except MeasurementError as error:
        return Answer(1, "", str(error), sent=sent, received=time.time())
    return Answer(0, json.dumps(pages), sent=sent, received=time.time())


def _pages(wanted: Visit) -> list[dict[str, Any]]:
    parts = urlsplit(wanted.url)
    found = _started(lambda: _resolved(parts, wanted.addresses))
    try:
        addresses = _awaited(found, wanted.timeout_s)
    except queue.Empty:
        raise CommandError("the resolver of this machine gave no answer in time") from None
    if not addresses:
        return [{"address": parts.hostname, "silence": "host name cannot be resolved"}]
    if len(addresses) > MOST_ADDRESSES:
        raise OutputError(f"{parts.hostname} has {len(addresses)} addresses (limit {MOST_ADDRESSES})")
    deadline = time.monotonic() + wanted.timeout_s
    running = [(each, _started(lambda each=each: _page(wanted, parts, each))) for each in addresses]  # type: ignore[misc]
    return [{"address": each, **_described(answer, wanted, deadline)} for each, answer in running]


def _resolved(parts: SplitResult, family: str) -> list[str]:
    """The addresses of a name; none if the name does not exist."""
    name, port = _name(parts), parts.port or PORTS[parts.scheme]
    # AI_ADDRCONFIG omits a family without addresses here; for a chosen family, the name would seem unknown.
    flags = socket.AI_ADDRCONFIG if family == "all" else 0
    try:
        found = socket.getaddrinfo(name, port, FAMILIES[family], socket.SOCK_STREAM, flags=flags)
    except socket.gaierror as error:
        if error.errno in _UNKNOWN_NAMES:
            return []
        raise CommandError(f"{name} cannot be resolved here: {error.strerror}") from error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def _name(parts: SplitResult) -> str:
    return (parts.hostname or "").encode("idna").decode()


def _started(work: Callable[[], Any]) -> "queue.SimpleQueue[Any]":
    """The result of `work`, or its exception, from a thread, left behind if the work never ends."""
    results: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def run() -> None:
        try:
            results.put(work())
        except Exception as error:  # noqa: BLE001  raised again by the waiting thread
            results.put(error)

    threading.Thread(target=run, daemon=True).start()
    return results


def _awaited(results: "queue.SimpleQueue[Any]", limit_s: float) -> Any:
    found = results.get(timeout=max(limit_s, 0.001))
    if isinstance(found, Exception):
        raise found
    return found


def _page(wanted: Visit, parts: SplitResult, address: str) -> dict[str, Any]:
    """The response of one address, up to `STREAM_CAP_BYTES`."""
    import requests  # not needed with saved facts, and without endpoints of this kind

    started = time.monotonic()
    with requests.Session() as session:
        session.trust_env = False
        session.headers = requests.structures.CaseInsensitiveDict(_headers(wanted, parts))
        if parts.scheme == "https":
            session.mount("https://", _pinned(_name(parts), wanted.ca))
        url = parts._replace(netloc=_socket(parts, address), fragment="").geturl()
        with session.get(
            url, timeout=wanted.timeout_s, allow_redirects=False, stream=True, verify=wanted.ca or True
        ) as response:
            body = _body(response)
            location = response.headers.get("location", "") if response.is_redirect else ""
    page = {"status": response.status_code, "elapsed_s": time.monotonic() - started, "body": body}
    return {**page, "location": urljoin(wanted.url, location) if location else ""}


def _headers(wanted: Visit, parts: SplitResult) -> dict[str, str]:
    host = parts.netloc if (parts.hostname or "").isascii() else _socket(parts, _name(parts))
    own = {"Host": host, "User-Agent": "opsproof", "Accept": "*/*", "Accept-Encoding": "identity"}
    declared = dict(wanted.headers)
    return {name: value for name, value in own.items() if name.lower() not in map(str.lower, declared)} | declared


def _socket(parts: SplitResult, address: str) -> str:
    host = f"[{address}]" if ":" in address else address
    return f"{host}:{parts.port}" if parts.port else host


def _pinned(name: str, ca: str) -> "requests.adapters.HTTPAdapter":
    """An adapter for any address, with the certificate of `name`.

    Raises:
        CommandError: the file `ca` cannot be used.
    """
    from requests.adapters import HTTPAdapter

    try:
        context = ssl.create_default_context(cafile=ca or None)
    except OSError as error:
        raise CommandError(f"{ca or 'the store of this machine'} has no certificates: {error.strerror}") from error
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # curl and browsers accept such certificates

    class Pinned(HTTPAdapter):
        def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
            super().init_poolmanager(*arguments, server_hostname=name, ssl_context=context, **options)

    return Pinned()


def _body(response: "requests.Response") -> str:
    """The body as sent.

    Raises:
        OutputError: the body is too long.
    """
    parts = bytearray()
    for part in response.raw.stream(_PART_BYTES, decode_content=False):
        parts += part
        if len(parts) > STREAM_CAP_BYTES:
            raise OutputError(f"the answer has more than {STREAM_CAP_BYTES >> 20} MiB")
    return parts.decode(errors="replace")


def _described(answer: "queue.SimpleQueue[Any]", wanted: Visit, deadline: float) -> dict[str, Any]:
    """The page, or why there is none."""
    late = _SILENCES[0][1].format(timeout=wanted.timeout_s)
    try:
        page: dict[str, Any] = _awaited(answer, deadline - time.monotonic())
    except queue.Empty:
        return {"silence": late}
    except MeasurementError as error:
        return {"unmeasured": str(error)}
    except Exception as error:  # noqa: BLE001  of requests, urllib3, http.client or ssl
        return _blamed(error, wanted)
    return page


def _blamed(error: Exception, wanted: Visit) -> dict[str, Any]:
    """Whether the server or this machine is to blame, in fixed words and OpenSSL's reason."""
    causes = list(_chain(error))
    if any(map(_blames_this_machine, causes)):
        return {"unmeasured": "this machine has no way to the address: set `addresses`, or ask from another machine"}
    for kind, silence in _SILENCES:
        for each in causes:
            if isinstance(each, kind) and not _is_wrapper(each):
                reason = f": {each.verify_message}" if isinstance(each, ssl.SSLCertVerificationError) else ""
                return {"silence": silence.format(timeout=wanted.timeout_s) + reason}
    return {"unmeasured": f"the request failed here: {type(error).__name__}"}


def _blames_this_machine(error: BaseException) -> bool:
    # The numbers of ssl's errors have another meaning.
    return isinstance(error, OSError) and not isinstance(error, ssl.SSLError) and error.errno in _OWN_FAULTS


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _is_wrapper(error: BaseException) -> bool:
    """Whether requests made the exception: the cause is further down the chain."""
    return type(error).__module__.startswith("requests")
