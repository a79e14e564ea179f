"""A bounded mix of real requests."""

import itertools
import time
from collections import Counter

import requests

HTTPS = {"X-Forwarded-Proto": "https"}
TIMEOUT_S = 2
TENANTS = 200
MIX = (
    "/api/conversations", "/api/messages", "/api/channels", "/api/documents", "/api/messages", "/api/conversations",
    "/api/health/live", "/api/messages", "/api/channels", "/api/health", "/api/conversations", "/api/health/ready",
    "/api/messages", "/api/channels", "/api/messages", "/api/conversations", "/api/documents", "/api/messages",
    "/api/documents", "/api/messages", "/favicon.ico", "/api/conversations", "/health", "/api/messages",
)  # fmt: skip


def send(port: int, count: int, seconds: float) -> dict[str, int]:
    """Sends `count` requests, or as many as fit into `seconds`; returns answers by status code or "none"."""
    deadline = time.monotonic() + seconds
    answers: Counter[str] = Counter()
    with requests.Session() as session:
        # Ignore the machine's proxy settings: requests to the loopback address must not go through a proxy.
        session.trust_env = False
        for number, path in enumerate(itertools.islice(itertools.cycle(MIX), count)):
            if time.monotonic() > deadline:
                break
            answers[_ask(session, f"http://127.0.0.1:{port}{path}", number)] += 1
    return dict(answers)


def _ask(session: requests.Session, url: str, number: int) -> str:
    headers = {**HTTPS, "X-Tenant-Id": f"ten{number % TENANTS + 1:05d}"}
    try:
        return str(session.get(url, headers=headers, timeout=TIMEOUT_S).status_code)
    except requests.RequestException:
        return "none"
