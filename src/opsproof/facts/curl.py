"""One GET from the host itself, by its curl: no proxy, no settings of a user, no redirect followed."""

import re
from dataclasses import dataclass

from opsproof.transport.shell import Answer, Command, argv

_WORDS = ("curl", "--disable", "--noproxy", "*", "--silent", "--show-error", "--globoff")
_FIGURES = "\\n%{http_code} %{time_total} %{redirect_url}"
_SILENCES = {
    6: "its name cannot be resolved",
    7: "connection refused",
    28: "no answer within {timeout:g} s",
    35: "TLS handshake failed",
    51: "certificate is for another name",
    52: "closed without an answer",
    56: "connection reset",
    60: "certificate not trusted",
}
"""Exit statuses of curl that say something of the server, not of curl: https://curl.se/docs/manpage.html#EXIT.

That the host has no store of trusted certificates (77) is none.
"""
_DOUBT = re.compile(r"^curl: \(60\) (?:SSL certificate problem|SSL): (.+)", re.MULTILINE)


@dataclass(frozen=True)
class HttpResponse:
    """What a server answered: HTTP status, time in seconds, body, and where it redirects to, if it does."""

    status: int
    elapsed_s: float
    body: str
    location: str


def get(url: str, timeout_s: float, *options: str) -> Command:
    """The request for `url`, with further `options` of curl; a hung server costs `timeout_s` once."""
    words = (*_WORDS, "--max-time", f"{timeout_s:g}", *options, "--write-out", _FIGURES, "--", url)
    return argv(*words, timeout_s=timeout_s + 2)


def silence(answer: Answer, timeout_s: float) -> str:
    """Why the server did not answer within `timeout_s`; empty where it did, or where curl itself failed."""
    doubt = _DOUBT.search(answer.stderr)
    return _SILENCES.get(answer.status, "").format(timeout=timeout_s) + (f": {doubt[1]}" if doubt else "")


def page(answer: Answer) -> HttpResponse:
    """What the server answered.

    Raises:
        MeasurementError: curl is missing, timed out or failed.
        ValueError: it printed something else.
    """
    body, _, figures = answer.require("curl").stdout.rpartition("\n")
    status, elapsed_s, *location = figures.split(maxsplit=2)
    return HttpResponse(int(status), float(elapsed_s), body, "".join(location))
