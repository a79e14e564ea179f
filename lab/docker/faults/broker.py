"""RabbitMQ for the faults: messages by the application's client, counts by the management API."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from lab.docker import DockerLab, passwords
from lab.docker.layout import MANAGEMENT_PORT, RABBITMQ
from lab.docker.passwords import MONITORS
from lab.docker.status import HOST
from lab.docker.work import QUEUES, STREAM
from lab.errors import LabError
from lab.waiting import wait_until

CLIENT = Path(__file__).with_name("amqp.js")
SCRIPT = "/tmp/amqp.js"
LOGIN = "set -a && . ./.env"
COUNTED_WITHIN_S = 30
POLL_S = 0.3
"""Poll interval of the management API, whose counts are updated every second."""


def amqp(lab: DockerLab, *words: str) -> None:
    """Runs a command of amqp.js."""
    lab.deploy("sh", "-c", f'{LOGIN} && exec node - "$@"', "amqp", *words, text=CLIENT.read_text())


def control(lab: DockerLab, expression: str) -> None:
    """Evaluates an Erlang expression in the server: faster than rabbitmqctl, which starts Erlang each time."""
    said = lab.root("erl_call", "-e", "-n", f"rabbit@{RABBITMQ}", container=RABBITMQ, text=f"{expression}.\n")
    if not said.startswith("{ok, ok"):
        raise LabError(f"RabbitMQ evaluated {expression} to {said}: see docker logs {RABBITMQ}")


def queues(lab: DockerLab) -> dict[str, dict[str, Any]]:
    """The broker's counts of every durable queue of the application, by name."""
    listed = _get(lab, "queues?columns=name,consumers,messages_ready,messages_unacknowledged,exclusive")
    return {queue["name"]: queue for queue in listed if not queue["exclusive"]}


def await_alarm(lab: DockerLab, name: str, *, raised: bool) -> None:
    """Waits until the broker reports an alarm as raised, or as cleared."""
    wait_until(
        lambda: _get(lab, "nodes")[0].get(name) is raised, f"{name} is {raised}", COUNTED_WITHIN_S, every_s=POLL_S
    )


def await_count(lab: DockerLab, queue: str, column: str, count: int) -> None:
    """Waits until the broker reports `count` in a column of a queue."""
    wait_until(
        lambda: queues(lab).get(queue, {}).get(column) == count,
        f"{column} is {count}",
        COUNTED_WITHIN_S,
        every_s=POLL_S,
    )


def await_consumers(lab: DockerLab, count: int) -> None:
    """Waits until `count` of the worker's queues have consumers, and all counts are complete."""
    wait_until(lambda: _consumed(lab) == count, f"{count} queues are consumed", 45, every_s=POLL_S)


def await_worker(lab: DockerLab) -> None:
    """Waits until the worker consumes all its queues, and has read the whole stream."""
    await_consumers(lab, len(QUEUES))
    await_lag(lab, 0, 0)


def await_lag(lab: DockerLab, least: int, most: int) -> None:
    """Waits until the worker's lag behind the stream is within the range, and its consumer is counted."""

    def is_reached() -> bool:
        lags = [each["offset_lag"] for each in _get(lab, "stream/consumers/%2F")]
        return len(lags) == 1 and least <= lags[0] <= most and queues(lab).get(STREAM, {}).get("consumers") == 1

    wait_until(is_reached, f"{least} to {most} messages of the stream are unread", 45, every_s=POLL_S)


def _consumed(lab: DockerLab) -> int | None:
    """The number of the worker's queues with consumers; None while counts are incomplete."""
    found = queues(lab)
    if not set(QUEUES) <= set(found) or any("messages_ready" not in queue for queue in found.values()):
        return None
    return len([name for name in QUEUES if found[name].get("consumers", 0) > 0])


@contextmanager
def stuck_consumer(lab: DockerLab, queue: str, count: int, messages: int) -> Iterator[None]:
    """A queue with `messages`, of which a consumer takes `count` and acknowledges no message."""
    try:
        _hold(lab, queue, messages, count)
        await_count(lab, queue, "messages_ready", messages - count)
        await_count(lab, queue, "consumers", 1)
        yield
    finally:
        amqp(lab, "delete", queue)


def _hold(lab: DockerLab, queue: str, messages: int, count: int) -> None:
    """Starts a client in the background; the client ends with the queue."""
    words = (queue, str(messages), str(count))
    leave = f'{LOGIN} && cat > {SCRIPT} && (setsid node - "$@" < {SCRIPT} > /dev/null 2>&1 &)'
    lab.deploy("sh", "-c", leave, "amqp", "hold", *words, text=CLIENT.read_text())


def _get(lab: DockerLab, path: str) -> list[dict[str, Any]]:
    """The management API's answer; empty while the API does not respond."""
    login = ("opsproof", passwords.load(lab.layout).monitors[MONITORS[1]])
    with requests.Session() as session:
        session.trust_env = False
        try:
            answer = session.get(f"http://{HOST}:{MANAGEMENT_PORT}/api/{path}", auth=login, timeout=5)
            answer.raise_for_status()
        except requests.RequestException:
            return []
    found: list[dict[str, Any]] = answer.json()
    return found
