"""What RabbitMQ's management API says of the broker and its queues, asked from the host itself.

https://www.rabbitmq.com/docs/management. It leaves out what it has not counted yet: in the first
seconds of a broker or a queue, and of one that does not run.
"""

import json
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import quote

from opsproof.core.counters import Counter
from opsproof.core.errors import Absent, MeasurementError, OutputError
from opsproof.facts import curl
from opsproof.facts.base import ShellFact
from opsproof.inventory.hosts import Host
from opsproof.inventory.resources import Broker
from opsproof.transport.shell import Answer, Command

RUNNING = ("running", "idle", "flow", "syncing")
"""RabbitMQ's words for a queue whose counts can be believed: one that does not run keeps its last ones."""
BROKEN = ("stopped", "down", "crashed", "terminated", "minority")
"""RabbitMQ's words for a queue that nobody can use."""


@dataclass(frozen=True)
class Node:
    """One node of the broker; an alarm is None where the node has not told of it yet."""

    name: str
    running: bool
    memory_alarm: bool | None
    disk_alarm: bool | None

    @property
    def alarms(self) -> list[str]:
        """What the node is short of, a line for each.

        Raises:
            MeasurementError: it has not told yet.
        """
        raised = {"memory": self.memory_alarm, "disk space": self.disk_alarm}
        if None in raised.values():
            raise MeasurementError(f"{self.name} has not told of its alarms yet: ask again in some seconds")
        return [f"{self.name} is short of {what}" for what, alarm in raised.items() if alarm]


@dataclass(frozen=True)
class BrokerReply:
    """How the broker receives a question: `silence` is empty where it answers, else says why it does not."""

    silence: str
    nodes: tuple[Node, ...] = ()

    @property
    def complaint(self) -> str:
        """Why the broker is not there as it should be; empty where it is."""
        stopped = [node.name for node in self.nodes if not node.running]
        return self.silence or (f"not running: {', '.join(stopped)}" if stopped else "")

    @property
    def alarms(self) -> list[str]:
        """What the running nodes are short of, a line for each.

        Raises:
            MeasurementError: the broker does not answer, or has not told yet.
        """
        if self.silence:
            raise MeasurementError(f"no alarm could be asked for: {self.silence}")
        return [alarm for node in self.nodes if node.running for alarm in node.alarms]


class BrokerReception(ShellFact[BrokerReply]):
    """Whether the broker answers, and what its nodes are short of."""

    def command(self, host: Host) -> Command:
        """All nodes of the cluster that the broker belongs to."""
        return _get(host, "nodes?columns=name,running,mem_alarm,disk_free_alarm")

    def parse(self, answer: Answer, host: Host) -> BrokerReply:
        """A broker that does not answer is a measurement; a refused login is none."""
        try:
            nodes = _read(answer, _broker(host))
        except _SilentError as error:
            return BrokerReply(str(error))
        if not nodes:
            raise OutputError("the broker lists no node, not even the one that answers")
        return BrokerReply("", tuple(_node(entry) for entry in nodes))


def _node(entry: dict[str, Any]) -> Node:
    return Node(entry["name"], entry["running"], entry.get("mem_alarm"), entry.get("disk_free_alarm"))


@dataclass(frozen=True)
class Tally:
    """A count of messages in each queue by its name, the largest first."""

    by_queue: dict[str, int]

    @property
    def largest(self) -> int:
        """The count of the worst queue."""
        return max(self.by_queue.values())

    @property
    def total(self) -> int:
        """The count of all queues together."""
        return sum(self.by_queue.values())

    @property
    def top(self) -> list[str]:
        """The five worst queues that hold something, a line for each."""
        return [f"{count} in {name}" for name, count in list(self.by_queue.items())[:5] if count]


@dataclass(frozen=True)
class QueueGroup:
    """The queues whose names match one declared pattern, as the broker lists them; at least one.

    `now` is the host's time of the answer, in seconds since 1970.
    """

    entries: tuple[dict[str, Any], ...]
    now: float

    @property
    def names(self) -> list[str]:
        """The names of all queues."""
        return [entry["name"] for entry in self.entries]

    @property
    def unconsumed(self) -> list[str]:
        """Those without a consumer, a line for each; one that is broken cannot have any.

        Raises:
            MeasurementError: the consumers of a queue that runs are not counted yet.
        """
        broken = [f"{entry['name']} is {entry['state']}" for entry in self.entries if entry.get("state") in BROKEN]
        whole = [entry for entry in self.entries if entry.get("state") not in BROKEN]
        return broken + [entry["name"] for entry in whole if not _count(entry, "consumers")]

    @property
    def ready(self) -> Tally:
        """Messages that wait for a consumer.

        Raises:
            MeasurementError: not all queues have been counted.
        """
        return self._tally("messages_ready")

    @property
    def unacknowledged(self) -> Tally:
        """Messages that consumers hold and have not confirmed.

        Raises:
            MeasurementError: not all queues have been counted.
        """
        return self._tally("messages_unacknowledged")

    @property
    def messages(self) -> Tally:
        """All messages, handed to somebody or not.

        Raises:
            MeasurementError: not all queues have been counted.
        """
        return self._tally("messages_ready", "messages_unacknowledged")

    @property
    def growth(self) -> Counter:
        """All messages together, as what may grow from run to run.

        Raises:
            MeasurementError: not all queues have been counted.
        """
        return Counter(self.messages.total, 0.0, self.now, falls=True)

    def _tally(self, *keys: str) -> Tally:
        counts = {entry["name"]: sum(_count(entry, key) for key in keys) for entry in self.entries}
        return Tally(dict(sorted(counts.items(), key=lambda item: -item[1])))


def _count(entry: dict[str, Any], key: str) -> int:
    state = entry.get("state", "not counted yet")
    if state not in RUNNING:
        raise MeasurementError(f"{entry['name']} is {state}, so its {key.replace('_', ' ')} are not known")
    if key not in entry:
        raise MeasurementError(f"the broker has not counted the {key.replace('_', ' ')} of {entry['name']}")
    return int(entry[key])


@dataclass(frozen=True)
class QueueList:
    """The queues of the broker's virtual host that outlive their connection, and the declared patterns by name."""

    entries: tuple[dict[str, Any], ...]
    patterns: dict[str, str]
    now: float

    def __getitem__(self, name: str) -> QueueGroup:
        """The queues of the pattern declared as `name`.

        Raises:
            Absent: there are none.
        """
        found = tuple(entry for entry in self.entries if fnmatchcase(entry["name"], self.patterns[name]))
        if not found:
            raise Absent(f"no queue matches {self.patterns[name]}, which is declared as {name}")
        return QueueGroup(found, self.now)

    @property
    def undeclared(self) -> list[str]:
        """Names of queues that match no pattern."""
        return [entry["name"] for entry in self.entries if not self._is_declared(entry["name"])]

    def _is_declared(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self.patterns.values())


class Queues(ShellFact[QueueList]):
    """Every queue of the broker, with its consumers and messages.

    The broker sees what nobody else does: a worker that lost its connection is online all the same.
    """

    def command(self, host: Host) -> Command:
        """Few columns: there are queues for each tenant and channel."""
        columns = "name,consumers,messages_ready,messages_unacknowledged,state,exclusive"
        return _get(host, f"queues/{quote(_broker(host).vhost, safe='')}?columns={columns}")

    def parse(self, answer: Answer, host: Host) -> QueueList:
        """The list; a virtual host that is not there is absent."""
        broker = _broker(host)
        if not curl.silence(answer, broker.timeout) and curl.page(answer).status == 404:
            raise Absent(f"the broker has no virtual host {broker.vhost}")
        entries = (_named(entry) for entry in _read(answer, broker))
        lasting = tuple(entry for entry in entries if not _ends_with_its_connection(entry))
        return QueueList(lasting, {name: queue.pattern for name, queue in host.queues.items()}, answer.now)


def _named(entry: dict[str, Any]) -> dict[str, Any]:
    return {**entry, "name": str(entry["name"]), "exclusive": bool(entry["exclusive"])}


def _ends_with_its_connection(entry: dict[str, Any]) -> bool:
    return bool(entry["exclusive"]) or str(entry["name"]).startswith("amq.gen-")


class _SilentError(MeasurementError):
    """The broker itself does not answer."""


def _broker(host: Host) -> Broker:
    assert host.broker is not None, "only hosts with a broker are asked for it"
    return host.broker


def _get(host: Host, path: str) -> Command:
    """The login comes from a file on the host, so that it is in no process list."""
    broker = _broker(host)
    return curl.get(f"{broker.url.rstrip('/')}/api/{path}", broker.timeout, "--netrc-file", broker.netrc)


def _read(answer: Answer, broker: Broker) -> list[dict[str, Any]]:
    """The list that the API answers.

    Raises:
        _SilentError: the broker does not answer, or says that it cannot.
        MeasurementError: it refuses the login, or the answer is none of its API.
    """
    if silence := curl.silence(answer, broker.timeout):
        raise _SilentError(f"{broker.url}: {silence}")
    page = curl.page(answer)
    if page.status >= 500:
        raise _SilentError(f"{broker.url} answers {page.status}")
    if page.status in (401, 403):
        raise MeasurementError(
            f"{broker.url} refuses the login in {broker.netrc}: look at its password, tag and rights"
        )
    if page.status != 200:
        raise OutputError(f"{broker.url} answers {page.status}, as the management API does not")
    return list(json.loads(page.body))
