"""The live lab, healthy again before each test."""

from collections.abc import Callable, Iterator

import pytest
import requests

from lab import Lab

HTTPS = {"X-Forwarded-Proto": "https"}

Ask = Callable[..., requests.Response]


@pytest.fixture
def healthy(lab: Lab) -> Iterator[Lab]:
    """The lab, without faults before and after the test."""
    lab.faults()
    yield lab
    lab.faults()


@pytest.fixture
def ask(lab: Lab) -> Ask:
    """Sends a GET request like the proxy."""

    def get(path: str, headers: dict[str, str] | None = None, timeout: float = 5) -> requests.Response:
        return requests.get(lab.url + path, headers=HTTPS if headers is None else headers, timeout=timeout)

    return get
