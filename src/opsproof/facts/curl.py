"""HTTP GET from the host with curl: no proxy, no user configuration, no redirects."""

import re
from dataclasses import dataclass

from opsproof.transport.shell import Answer, Command, argv

_WORDS = ("curl", "--disable", "--noproxy", "*", "--silent", "--show-error", "--globoff")
_FIGURES = "\\n%{http_code} %{time_total} %{redirect_url}"
NOT_HTTP = "answer is not HTTP"
_SILENCES = {
    6: "host name cannot be resolved",
    7: "connection refused",
    8: NOT_HTTP,
    16: "HTTP/2 framing error",
    18: "answer was cut short",
    28: "no answer within {timeout:g} s",
    35: "TLS handshake failed",
    51: "certificate is for another name",
    52: "connection closed without an answer",
    55: "connection closed during the request",
    56: "connection reset",
    60: "certificate not trusted",
    61: "unknown transfer encoding",
    92: "HTTP/2 stream error",
    95: "HTTP/3 error",
    100: "headers are too large",
}
"""Exit statuses of curl that blame the server: https://curl.se/docs/manpage.html#EXIT.

Status 77 (no CA store on the host) blames curl, and is left out. Status 1 is ambiguous: another protocol answers, or
this curl was built without https.
"""
_TLS_ERROR = re.compile(r"^curl: \(60\) (?:SSL certificate problem|SSL): (.+)", re.MULTILINE)


@dataclass(frozen=True)
class HttpResponse:
    """Response of a server: HTTP status, time in seconds, body, and redirect target, if any."""

    status: int
    elapsed_s: float
    body: str
    location: str


def get(url: str, timeout_s: float, *options: str) -> Command:
    """GET request for `url` with further curl `options`; a hung server is given up after `timeout_s`."""
    words = (*_WORDS, "--max-time", f"{timeout_s:g}", *options, "--write-out", _FIGURES, "--", url)
    return argv(*words, timeout_s=timeout_s + 2)


def silence(answer: Answer, timeout_s: float) -> str:
    """Why the server did not answer within `timeout_s`; empty if the server answered or curl itself failed."""
    if answer.status == 1 and "HTTP" in answer.stderr:
        return NOT_HTTP
    tls_error = _TLS_ERROR.search(answer.stderr)
    return _SILENCES.get(answer.status, "").format(timeout=timeout_s) + (f": {tls_error[1]}" if tls_error else "")


def page(answer: Answer) -> HttpResponse:
    """The server's response.

    Raises:
        MeasurementError: curl is missing, timed out or failed.
        ValueError: curl's output cannot be parsed.
    """
    body, _, figures = answer.require("curl").stdout.rpartition("\n")
    status, elapsed_s, *location = figures.split(maxsplit=2)
    return HttpResponse(int(status), float(elapsed_s), body, "".join(location))
