"""The HTTP endpoints that a host can declare."""

import re
from typing import Annotated, Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, Field, model_validator

from opsproof.inventory.patterns import portable
from opsproof.inventory.resources import Duration, Resource, userinfo

HEALTH_ANSWERS = ("health", "json", "text", "pattern")
"""The kinds of answers with a health status."""
_SECRET = re.compile(
    r"auth(?:orization|entication)?(?![a-z])|cookie|token|secret|passw|credential|signature|api[-_]?key", re.IGNORECASE
)
"""Names of headers and of parameters in a URL whose values are secrets."""
_KEYS = {"json": "path", "pattern": "pattern"}
"""The required key of a kind of answer, invalid for the rest."""


class Endpoint(Resource):
    """A URL that gets a GET request, from the host or from the machine of opsproof."""

    url: str = Field(pattern=r"^https?://")
    asked_from: Literal["host", "controller"] = Field(
        "host",
        alias="from",
        description="host: a request from the host; controller: requests from the machine of opsproof to each address",
    )
    addresses: Literal["all", "ipv4", "ipv6"] = Field(
        "all", description="the addresses of the name to ask; valid only from the controller"
    )
    answer: Literal["health", "json", "text", "pattern", "status", "redirect"] = Field(
        "status",
        description="health: JSON with status and services; json, text, pattern: further forms of a health status; "
        "status: HTTP status only; redirect: leads to https",
    )
    path: str = Field(
        "",
        pattern=r"^([^.\n]+(\.[^.\n]+)*)?$",
        description="json: keys and positions on the way to the health status, separated by dots",
    )
    pattern: Annotated[str, AfterValidator(lambda text: portable(text) if text else text)] = Field(
        "", description="pattern: regular expression in a healthy answer; the group status is the health status"
    )
    headers: dict[str, str] = Field(default_factory=dict)
    timeout: Duration = Field(5.0, description="limit of the answer time; a slower endpoint counts as hung")
    ca: str = Field(
        "", pattern=r"^(/[^\n]*)?$", description="file with the certificates to trust, in PEM, where the request starts"
    )

    @property
    def is_outside(self) -> bool:
        """Whether the machine of opsproof sends the requests."""
        return self.asked_from == "controller"

    @property
    def options(self) -> list[str]:
        """The options of curl for the request."""
        headers = [word for name, value in self.headers.items() for word in ("--header", f"{name}: {value}")]
        return [*headers, *(("--cacert", self.ca) if self.ca else ())]

    @model_validator(mode="after")
    def _has_keys_of_its_answer(self) -> "Endpoint":
        for answer, key in _KEYS.items():
            if bool(getattr(self, key)) != (self.answer == answer):
                advice = "add it" if self.answer == answer else "remove it"
                state = "is missing" if self.answer == answer else "is not valid"
                raise ValueError(f'`{key}` {state} for answer = "{self.answer}": {advice}')
        if self.addresses != "all" and not self.is_outside:
            raise ValueError('`addresses` is valid only for from = "controller": remove it')
        return self

    @model_validator(mode="after")
    def _has_no_secret(self) -> "Endpoint":
        if self.ca and not self.url.startswith("https:"):
            raise ValueError("`ca` is valid only for https: remove the key, or write https://")
        if userinfo(self.url):
            raise ValueError("the url contains credentials: remove them, and keep secrets on the host")
        named = {
            "header": self.headers,
            "parameter": dict(parse_qsl(urlsplit(self.url).query, keep_blank_values=True)),
        }
        for kind, names in named.items():
            if secret := next(filter(_SECRET.search, names), None):
                raise ValueError(f"{kind} {secret} is a secret, visible in the process list of the host: remove it")
        return self
