"""Work for the lab: requests to the API, messages into the queues."""

import itertools
from collections import Counter
from typing import Any

import requests as http

from lab import traffic as mix
from lab.docker import engine
from lab.docker.layout import MANAGEMENT_PORT, VPS
from lab.docker.passwords import Passwords
from lab.docker.server import API_PORT
from lab.errors import LabError

CHANNELS = ("whatsapp", "messenger", "webchat")
TENANTS = 18
STREAM = "events"
QUEUES = tuple(
    f"tenant.ten{tenant:05d}.channel.{channel}.inbound.queue"
    for tenant in range(1, TENANTS + 1)
    for channel in CHANNELS
)


def traffic(seconds: float, requests: int) -> dict[str, int]:
    """Sends a mix of requests on the server, like the proxy; returns answers by status code, "none" for no answer."""
    config = "next\n".join(
        _request(n, path) for n, path in zip(range(requests), itertools.cycle(mix.MIX), strict=False)
    )
    command = ("timeout", str(seconds), "stdbuf", "--output=L", "curl", "--silent", "--config", "-")
    # curl is stopped at the timeout; answers printed until then count.
    output = engine.run("exec", "-i", VPS, "sh", "-c", '"$@" || true', "sh", *command, data=config.encode())
    return dict(Counter("none" if code == "000" else code for code in output.split()))


def publish(passwords: Passwords, messages: int) -> None:
    """Sends messages to the inbound queues in turn; LabError if RabbitMQ refuses a message."""
    url = f"http://127.0.0.1:{MANAGEMENT_PORT}/api/exchanges/%2F/amq.default/publish"
    with http.Session() as session:
        session.trust_env = False
        session.auth = ("metachat", passwords.rabbitmq["RABBITMQ_DEFAULT_PASS"])
        for queue in itertools.islice(itertools.cycle(QUEUES), messages):
            body: dict[str, Any] = {
                "properties": {},
                "routing_key": queue,
                "payload": "Hello",
                "payload_encoding": "string",
            }
            try:
                session.post(url, json=body, timeout=5).raise_for_status()
            except http.RequestException as error:
                raise LabError(
                    f"RabbitMQ refused a message: {type(error).__name__}: run `make lab-docker-up`"
                ) from None


def _request(number: int, path: str) -> str:
    """A request in the format of curl's config file."""
    return (
        f'url = "http://127.0.0.1:{API_PORT}{path}"\n'
        f'header = "X-Forwarded-Proto: https"\nheader = "X-Tenant-Id: ten{number % mix.TENANTS + 1:05d}"\n'
        f'max-time = {mix.TIMEOUT_S}\noutput = "/dev/null"\nwrite-out = "%{{http_code}}\\n"\n'
    )
