"""Faults of RabbitMQ and its queues."""

from collections.abc import Iterator

from lab.docker import DockerLab, engine
from lab.docker.faults.broker import amqp, await_alarm, await_consumers, await_count, control, held, queues
from lab.docker.faults.fault import fault, wait_until
from lab.docker.faults.steps import (
    DEGRADED,
    QUEUE_LIST,
    RABBITMQ_STARTED,
    await_health,
    of,
    recover,
    settle,
    written,
)
from lab.docker.layout import RABBITMQ
from lab.docker.server import MONITOR_FOLDER, NETRC
from lab.docker.work import QUEUES

OWN = "tenant.ten99999.channel.webchat.inbound.queue"
DEAD = tuple(f"{name}.dead-letter" for name in QUEUES)
UNCONSUMED = of("inbound", "test_queues_are_consumed")


@fault(
    failed=("test_broker_answers", *of(RABBITMQ, "test_container_runs", "test_container_is_healthy")),
    warned=DEGRADED,
    unknown=("test_no_alarm_is_raised", *QUEUE_LIST),
    told=RABBITMQ_STARTED,
)
def rabbitmq_stopped(lab: DockerLab) -> Iterator[None]:
    """No message of a customer reaches the worker."""
    engine.run("stop", RABBITMQ)
    yield
    engine.run("start", RABBITMQ)
    _await_broker(lab)


@fault(failed=(*UNCONSUMED, *RABBITMQ_STARTED["failed"]))
def worker_stays_away(lab: DockerLab) -> Iterator[None]:
    """RabbitMQ started again and the worker did not reconnect: PM2, /health and Docker call everything healthy."""
    lab.faults(reconnect=False)
    try:
        engine.run("restart", RABBITMQ)
        await_health(RABBITMQ)
        await_consumers(lab, 0)
        yield
    finally:
        lab.faults()
        lab.pm2("restart", "meta-chat-worker")
        settle()
        _await_broker(lab)
        lab.pm2("reset", "meta-chat-worker")


@fault(failed=UNCONSUMED)
def consumers_dropped(lab: DockerLab) -> Iterator[None]:
    """The worker holds its connection and consumes nothing; messages wait, too few to notice."""
    lab.faults(consume=False)
    try:
        await_consumers(lab, 0)
        lab.publish()
        await_count(lab, QUEUES[-1], "messages_ready", 1)
        yield
    finally:
        lab.faults()
        await_consumers(lab, len(QUEUES))
        await_count(lab, QUEUES[-1], "messages_ready", 0)


@fault(failed=of("inbound", "test_messages_do_not_pile_up"))
def queue_flooded(lab: DockerLab) -> Iterator[None]:
    """A consumer is stuck on one message, and 6,000 wait behind it."""
    with held(lab, OWN, 1, 6001):
        yield


@fault(warned=of("inbound", "test_messages_do_not_pile_up"))
def queue_filling(lab: DockerLab) -> Iterator[None]:
    """1,500 messages wait."""
    with held(lab, OWN, 1, 1501):
        yield


@fault(failed=of("inbound", "test_messages_are_acknowledged"))
def messages_not_confirmed(lab: DockerLab) -> Iterator[None]:
    """A consumer took 1,200 messages and confirms none."""
    with held(lab, OWN, 1200, 1200):
        await_count(lab, OWN, "messages_unacknowledged", 1200)
        yield


@fault(warned=of("dead-letters", "test_dead_letters_do_not_grow"))
def some_dead_letters(lab: DockerLab) -> Iterator[None]:
    """The worker gave up three messages since the last run."""
    yield from _rejected(lab, 3)


@fault(
    failed=(*of("dead-letters", "test_dead_letters_are_few"), *of("worker-out", "test_errors_are_few")),
    warned=of("dead-letters", "test_dead_letters_do_not_grow"),
)
def many_dead_letters(lab: DockerLab) -> Iterator[None]:
    """The worker gave up 162 messages, and its log has an error for each."""
    yield from _rejected(lab, 3 * len(QUEUES))


def _rejected(lab: DockerLab, messages: int) -> Iterator[None]:
    lab.faults(reject=True)
    try:
        lab.publish(messages)
        wait_until(lambda: _dead(lab) == messages, "messages die")
        lab.faults()
        yield
    finally:
        lab.faults()
        amqp(lab, "purge", *DEAD)
        wait_until(lambda: _dead(lab) == 0, "dead letters are purged")


def _dead(lab: DockerLab) -> int:
    return sum(queue.get("messages_ready", 0) for name, queue in queues(lab).items() if name in DEAD)


@fault(failed=("test_no_alarm_is_raised",))
def disk_alarm(lab: DockerLab) -> Iterator[None]:
    """RabbitMQ wants more free space than the disk has, and blocks everybody who publishes."""
    control(lab, "set_disk_free_limit", "900GB")
    try:
        await_alarm(lab, "disk_free_alarm", raised=True)
        yield
    finally:
        control(lab, "set_disk_free_limit", "50MB")
        await_alarm(lab, "disk_free_alarm", raised=False)


@fault(failed=("test_no_alarm_is_raised",))
def memory_alarm(lab: DockerLab) -> Iterator[None]:
    """RabbitMQ has more in memory than it may."""
    control(lab, "set_vm_memory_high_watermark", "absolute", "1MB")
    try:
        await_alarm(lab, "mem_alarm", raised=True)
        yield
    finally:
        control(lab, "set_vm_memory_high_watermark", "absolute", "350MB")
        await_alarm(lab, "mem_alarm", raised=False)


@fault(failed=("test_every_queue_is_declared",))
def queue_not_declared(lab: DockerLab) -> Iterator[None]:
    """Somebody made a queue that the inventory does not know."""
    amqp(lab, "declare", "orders")
    try:
        await_count(lab, "orders", "messages_ready", 0)
        yield
    finally:
        amqp(lab, "delete", "orders")


@fault(failed=tuple(check for check in QUEUE_LIST if check != "test_every_queue_is_declared"))
def queues_deleted(lab: DockerLab) -> Iterator[None]:
    """No queue matches what is declared: none is consumed, and none is full."""
    amqp(lab, "delete", *QUEUES, *DEAD)
    yield
    control(lab, "close_all_connections", "proof")  # the worker makes its queues when it connects
    await_consumers(lab, len(QUEUES))
    recover(lab)


@fault(unknown=("test_broker_answers", "test_no_alarm_is_raised", *QUEUE_LIST))
def monitor_of_rabbitmq_locked_out(lab: DockerLab) -> Iterator[None]:
    """The monitor's password was changed on the server and not in its file: that says nothing of RabbitMQ."""
    with written(lab, f"{MONITOR_FOLDER}/rabbitmq.netrc", NETRC.format("not-this-one")):
        yield


def _await_broker(lab: DockerLab) -> None:
    recover(lab)
    await_consumers(lab, len(QUEUES))
    await_alarm(lab, "mem_alarm", raised=False)
    recover(lab)
