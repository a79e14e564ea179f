"""RabbitMQ broker and queues, from the management API, requested on the host itself.

https://www.rabbitmq.com/docs/management. The API omits values not counted yet: in the first seconds
of a broker or a queue, and for a queue that is down.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import quote

from opsproof.core.counters import Counter
from opsproof.core.errors import Absent, MeasurementError, OutputError
from opsproof.facts import curl
from opsproof.facts.base import ShellFact
from opsproof.inventory.hosts import Host
from opsproof.inventory.services import Broker
from opsproof.transport.shell import Answer, Command

RUNNING = ("running", "idle", "flow", "syncing")
"""RabbitMQ's states of queues with current counts; a queue in another state reports its last counts."""
BROKEN = ("stopped", "down", "crashed", "terminated", "minority")
"""RabbitMQ's states of unusable queues."""


@dataclass(frozen=True)
class Node:
    """One node of the broker; an alarm is None if not reported yet."""

    name: str
    running: bool
    memory_alarm: bool | None
    disk_alarm: bool | None

    @property
    def alarms(self) -> list[str]:
        """Raised alarms of the node, a line each.

        Raises:
            MeasurementError: the node has not reported its alarms yet.
        """
        raised = {"memory": self.memory_alarm, "disk space": self.disk_alarm}
        if None in raised.values():
            raise MeasurementError(f"{self.name} has not reported its alarms yet: retry in a few seconds")
        return [f"{self.name} is short of {resource}" for resource, alarm in raised.items() if alarm]


@dataclass(frozen=True)
class BrokerReply:
    """Answer of the broker: `silence` is empty on success, else the reason."""

    silence: str
    nodes: tuple[Node, ...] = ()

    @property
    def complaint(self) -> str:
        """Why the broker or a node is down; empty if all run."""
        stopped = [node.name for node in self.nodes if not node.running]
        return self.silence or (f"not running: {', '.join(stopped)}" if stopped else "")

    @property
    def alarms(self) -> list[str]:
        """Raised alarms of running nodes, a line each.

        Raises:
            MeasurementError: the broker does not answer, or a node has not reported its alarms yet.
        """
        if self.silence:
            raise MeasurementError(f"alarms are unknown: {self.silence}")
        return [alarm for node in self.nodes if node.running for alarm in node.alarms]


class BrokerStatus(ShellFact[BrokerReply]):
    """Whether the broker answers, and its nodes' alarms."""

    def command(self, host: Host) -> Command:
        """All nodes of the broker's cluster."""
        return _get(host, "nodes?columns=name,running,mem_alarm,disk_free_alarm")

    def parse(self, answer: Answer, host: Host) -> BrokerReply:
        """No answer is a measured state; a refused login is an error."""
        try:
            nodes = _read(answer, _broker(host))
        except _SilentError as error:
            return BrokerReply(str(error))
        if not nodes:
            raise OutputError("the broker lists no node, not even itself")
        return BrokerReply("", tuple(_node(entry) for entry in nodes))


def _node(entry: dict[str, Any]) -> Node:
    return Node(entry["name"], entry["running"], entry.get("mem_alarm"), entry.get("disk_free_alarm"))


@dataclass(frozen=True)
class Tally:
    """Message counts by queue name, the largest first."""

    by_queue: dict[str, int]

    @property
    def largest(self) -> int:
        """Count of the fullest queue."""
        return max(self.by_queue.values())

    @property
    def total(self) -> int:
        """Sum over all queues."""
        return sum(self.by_queue.values())

    @property
    def top(self) -> list[str]:
        """The five fullest non-empty queues, a line each."""
        return [f"{count} in {name}" for name, count in list(self.by_queue.items())[:5] if count]


@dataclass(frozen=True)
class QueueGroup:
    """Queues that match one declared pattern, as the API lists them; at least one queue.

    `now` is the host's time of the answer, in seconds since 1970.
    """

    entries: tuple[dict[str, Any], ...]
    now: float

    @property
    def names(self) -> list[str]:
        """Names of all queues."""
        return [entry["name"] for entry in self.entries]

    @property
    def unconsumed(self) -> list[str]:
        """Queues without a consumer, a line each; a broken queue counts as unconsumed.

        Raises:
            MeasurementError: consumers of a running queue are not counted yet.
        """
        broken = [f"{entry['name']} is {entry['state']}" for entry in self.entries if entry.get("state") in BROKEN]
        usable = [entry for entry in self.entries if entry.get("state") not in BROKEN]
        return broken + [entry["name"] for entry in usable if not _count(entry, "consumers")]

    @property
    def ready(self) -> Tally:
        """Messages waiting for a consumer.

        Raises:
            MeasurementError: a queue is not counted yet.
        """
        return self._tally("messages_ready")

    @property
    def unacknowledged(self) -> Tally:
        """Messages delivered to consumers but not acknowledged.

        Raises:
            MeasurementError: a queue is not counted yet.
        """
        return self._tally("messages_unacknowledged")

    @property
    def messages(self) -> Tally:
        """All messages, delivered or not.

        Raises:
            MeasurementError: a queue is not counted yet.
        """
        return self._tally("messages_ready", "messages_unacknowledged")

    @property
    def growth(self) -> Counter:
        """Total of all messages, as a counter across runs.

        Raises:
            MeasurementError: a queue is not counted yet.
        """
        return Counter(self.messages.total, 0.0, self.now, falls=True)

    def _tally(self, *keys: str) -> Tally:
        counts = {entry["name"]: sum(_count(entry, key) for key in keys) for entry in self.entries}
        return Tally(dict(sorted(counts.items(), key=lambda item: -item[1])))


def _count(entry: dict[str, Any], key: str) -> int:
    state = entry.get("state", "not counted yet")
    if state not in RUNNING:
        raise MeasurementError(f"{entry['name']} is {state}: its {key.replace('_', ' ')} are unknown")
    if key not in entry:
        raise MeasurementError(f"the broker has not counted the {key.replace('_', ' ')} of {entry['name']}")
    return int(entry[key])


@dataclass(frozen=True)
class QueueList:
    """Non-exclusive queues of the broker's virtual host, and declared patterns by name."""

    entries: tuple[dict[str, Any], ...]
    patterns: dict[str, str]
    now: float

    def __getitem__(self, name: str) -> QueueGroup:
        """Queues of the pattern declared as `name`.

        Raises:
            Absent: no queue matches.
        """
        found = tuple(entry for entry in self.entries if fnmatchcase(entry["name"], self.patterns[name]))
        if not found:
            raise Absent(f"no queue matches {self.patterns[name]} (pattern {name})")
        return QueueGroup(found, self.now)

    @property
    def undeclared(self) -> list[str]:
        """Names of queues that match no pattern."""
        return [entry["name"] for entry in self.entries if not self._is_declared(entry["name"])]

    def _is_declared(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self.patterns.values())


class Queues(ShellFact[QueueList]):
    """All queues of the broker, with consumers and messages.

    Only the broker notices a worker without a connection: PM2 reports the worker online.
    """

    def command(self, host: Host) -> Command:
        """Few columns: each tenant and channel has queues."""
        columns = "name,consumers,messages_ready,messages_unacknowledged,state,exclusive"
        return _get(host, f"queues/{quote(_broker(host).vhost, safe='')}?columns={columns}")

    def parse(self, answer: Answer, host: Host) -> QueueList:
        """The list; a missing virtual host is absent."""
        broker = _broker(host)
        if not curl.silence(answer, broker.timeout) and curl.page(answer).status == 404:
            raise Absent(f"the broker has no virtual host {broker.vhost}")
        entries = (_named(entry) for entry in _read(answer, broker))
        lasting = tuple(entry for entry in entries if not _is_exclusive(entry))
        return QueueList(lasting, {name: queue.pattern for name, queue in host.queues.items()}, answer.now)


@dataclass(frozen=True)
class StreamLags:
    """Unread messages of each consumer, by stream."""

    by_stream: dict[str, list[int]]

    def lag(self, names: Iterable[str]) -> Tally:
        """The lag of the slowest consumer of each stream.

        Raises:
            MeasurementError: a stream has no consumer with a lag; the lag of an AMQP consumer is not listed.
        """
        unread = {name: max(self.by_stream.get(name, ()), default=None) for name in names}
        known = {name: lag for name, lag in unread.items() if lag is not None}
        if unknown := sorted(unread.keys() - known.keys()):
            raise MeasurementError(f"no consumer of {', '.join(unknown[:3])} over the stream protocol: lag is unknown")
        return Tally(dict(sorted(known.items(), key=lambda item: -item[1])))


class StreamConsumers(ShellFact[StreamLags]):
    """All consumers of streams, from the plugin rabbitmq_stream_management."""

    def command(self, host: Host) -> Command:
        """Consumers of the virtual host."""
        return _get(host, f"stream/consumers/{quote(_broker(host).vhost, safe='')}")

    def parse(self, answer: Answer, host: Host) -> StreamLags:
        """The lag of each consumer; without the plugin, an error."""
        broker, by_stream = _broker(host), dict[str, list[int]]()
        if not curl.silence(answer, broker.timeout) and curl.page(answer).status == 404:
            raise MeasurementError("enable the plugin rabbitmq_stream_management: without it, lag is unknown")
        for entry in _read(answer, broker):
            by_stream.setdefault(str(entry["queue"]["name"]), []).append(int(entry["offset_lag"]))
        return StreamLags(by_stream)


def _named(entry: dict[str, Any]) -> dict[str, Any]:
    return {**entry, "name": str(entry["name"]), "exclusive": bool(entry["exclusive"])}


def _is_exclusive(entry: dict[str, Any]) -> bool:
    return bool(entry["exclusive"]) or str(entry["name"]).startswith("amq.gen-")


class _SilentError(MeasurementError):
    """The broker does not answer."""


def _broker(host: Host) -> Broker:
    assert host.broker is not None, "the host has no broker"
    return host.broker


def _get(host: Host, path: str) -> Command:
    """The login comes from a file on the host, to keep the password out of process lists."""
    broker = _broker(host)
    return curl.get(f"{broker.url.rstrip('/')}/api/{path}", broker.timeout, "--netrc-file", broker.netrc)


def _read(answer: Answer, broker: Broker) -> list[dict[str, Any]]:
    """The list returned by the API.

    Raises:
        _SilentError: the broker does not answer, or answers with a server error.
        MeasurementError: the login is refused, or the answer is not from the management API.
    """
    if silence := curl.silence(answer, broker.timeout):
        raise _SilentError(f"{broker.url}: {silence}")
    page = curl.page(answer)
    if page.status >= 500:
        raise _SilentError(f"{broker.url} answers {page.status}")
    if page.status in (401, 403):
        raise MeasurementError(
            f"{broker.url} refuses the login in {broker.netrc}: check password, user tag and permissions"
        )
    if page.status != 200:
        raise OutputError(f"{broker.url} answers {page.status}: not the management API")
    return list(json.loads(page.body))
