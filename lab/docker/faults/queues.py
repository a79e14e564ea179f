"""Faults of RabbitMQ and of queues."""

from collections.abc import Iterator
from contextlib import ExitStack

from lab.docker import DockerLab, engine
from lab.docker.faults.broker import (
    POLL_S,
    amqp,
    await_alarm,
    await_consumers,
    await_count,
    await_lag,
    await_worker,
    control,
    queues,
    stuck_consumer,
)
from lab.docker.faults.fault import fault
from lab.docker.faults.steps import (
    DEGRADED,
    DOWN,
    QUEUE_LIST,
    RABBITMQ_STARTED,
    await_age,
    await_health,
    of,
    settle,
    written,
)
from lab.docker.layout import RABBITMQ
from lab.docker.server import MONITOR_FOLDER, NETRC
from lab.docker.work import QUEUES, STREAM
from lab.fault import shows
from lab.waiting import wait_until

TENANT = "tenant.ten9999{}.channel.webchat.inbound.queue"
OWN = TENANT.format(9)
DEAD = tuple(f"{name}.dead-letter" for name in QUEUES)
AT_ONCE = "--time=0"
"""Kills RabbitMQ: a regular stop takes seconds."""
CLOSE_ALL = 'rabbit_networking:close_connections(rabbit_networking:connections(), "proof")'
UNCONSUMED = of("inbound", "test_queues_have_consumers")


def remove_leftovers(lab: DockerLab) -> None:
    """Deletes the queues that a killed proof has left: the broker's data outlive the lab's containers."""
    if others := queues(lab).keys() - {*QUEUES, *DEAD, STREAM}:
        amqp(lab, "delete", *others)


@fault(
    failed=(
        "test_broker_responds",
        *of(RABBITMQ, "test_container_is_running", "test_container_is_healthy"),
        *DEGRADED,
    ),
    unknown=("test_no_alarm_is_raised", *QUEUE_LIST),
    reported_once=RABBITMQ_STARTED,
    touches=("rabbitmq",),
)
@shows(f"Exited|is not running|{DOWN}")
def rabbitmq_stopped(lab: DockerLab) -> Iterator[None]:
    """Customers' messages do not reach the worker."""
    await_age(RABBITMQ)
    engine.run("stop", AT_ONCE, RABBITMQ)
    yield
    engine.run("start", RABBITMQ)
    _await_broker(lab)


@fault(failed=(*UNCONSUMED, *RABBITMQ_STARTED["failed"]), touches=("rabbitmq", "switches"))
@shows(r"inbound\.queue\s+running\s+0\b")
def worker_does_not_reconnect(lab: DockerLab) -> Iterator[None]:
    """RabbitMQ was restarted and the worker did not reconnect; PM2, /health and Docker report healthy."""
    await_age(RABBITMQ)
    lab.faults(reconnect=False)
    try:
        engine.run("restart", AT_ONCE, RABBITMQ)
        await_health(RABBITMQ)
        await_consumers(lab, 0)
        await_lag(lab, 0, 0)
        yield
    finally:
        lab.faults()
        lab.pm2("restart", "meta-chat-worker")
        settle(lab)
        _await_broker(lab)


@fault(failed=UNCONSUMED, touches=("rabbitmq", "switches"))
@shows(r"inbound\.queue\s+running\s+0\b")
def consumers_dropped(lab: DockerLab) -> Iterator[None]:
    """The worker is connected without consuming; too few messages wait to exceed a limit."""
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


@fault(failed=of("inbound", "test_ready_messages_are_within_limit"), touches=("rabbitmq",))
@shows("ten9999")
def queue_flooded(lab: DockerLab) -> Iterator[None]:
    """A consumer is stuck on a message, and 6,000 more wait."""
    with stuck_consumer(lab, OWN, 1, 6001):
        yield


@fault(warned=of("inbound", "test_ready_messages_are_within_limit"), touches=("rabbitmq",))
@shows("ten9999")
def queue_filling(lab: DockerLab) -> Iterator[None]:
    """1,500 messages wait."""
    with stuck_consumer(lab, OWN, 1, 1501):
        yield


@fault(failed=of("inbound", "test_ready_messages_are_within_limit"), touches=("rabbitmq",))
@shows("ten9999")
def many_queues_filling(lab: DockerLab) -> Iterator[None]:
    """Six tenants' consumers are stuck: 900 messages wait in each queue, and no queue exceeds a limit alone."""
    with ExitStack() as held:
        for number in range(6):
            held.enter_context(stuck_consumer(lab, TENANT.format(number), 1, 901))
        yield


@fault(failed=of("inbound", "test_messages_are_acknowledged"), touches=("rabbitmq",))
@shows("ten9999")
def messages_not_acknowledged(lab: DockerLab) -> Iterator[None]:
    """A consumer took 1,200 messages without acknowledging them."""
    with stuck_consumer(lab, OWN, 1200, 1200):
        await_count(lab, OWN, "messages_unacknowledged", 1200)
        yield


@fault(warned=of("dead-letters", "test_no_new_dead_letters_arrive"), touches=("rabbitmq", "switches", "logs"))
@shows(r"dead-letter\s+[1-9]")
def some_dead_letters(lab: DockerLab) -> Iterator[None]:
    """The worker rejected three messages since the last run."""
    yield from _rejected(lab, 3)


@fault(
    failed=(
        *of("dead-letters", "test_dead_letters_are_within_limit"),
        *of("worker-out", "test_log_errors_are_within_limit"),
    ),
    warned=of("dead-letters", "test_no_new_dead_letters_arrive"),
    touches=("rabbitmq", "switches", "logs"),
)
@shows(r"dead-letter\s+[1-9]|ERROR")
def many_dead_letters(lab: DockerLab) -> Iterator[None]:
    """The worker rejected 162 messages, and logged an error for each."""
    yield from _rejected(lab, 3 * len(QUEUES))


def _rejected(lab: DockerLab, messages: int) -> Iterator[None]:
    lab.faults(reject=True)
    try:
        lab.publish(messages)
        wait_until(lambda: _dead_letter_count(lab) == messages, "messages die", every_s=POLL_S)
        lab.faults()
        yield
    finally:
        lab.faults()
        amqp(lab, "purge", *DEAD)
        wait_until(lambda: _dead_letter_count(lab) == 0, "dead letters are purged", every_s=POLL_S)


def _dead_letter_count(lab: DockerLab) -> int:
    return sum(queue.get("messages_ready", 0) for name, queue in queues(lab).items() if name in DEAD)


@fault(failed=of(STREAM, "test_stream_lag_is_within_limit"), touches=("rabbitmq", "switches"))
@shows(r"events\s.*\s[5-9]\d{3}\s+\S*\s*$")
def stream_not_read(lab: DockerLab) -> Iterator[None]:
    """The worker is connected, but has stopped to read the stream, and 9,000 messages follow."""
    lab.faults(read=False)
    try:
        amqp(lab, "publish", STREAM, "9000")
        await_lag(lab, 5001, 9000)
        yield
    finally:
        lab.faults()
        await_lag(lab, 0, 0)


@fault(failed=("test_no_alarm_is_raised",), touches=("rabbitmq",))
@shows("(?i)disk")
def disk_alarm(lab: DockerLab) -> Iterator[None]:
    """disk_free_limit exceeds the free space, so RabbitMQ blocks all publishers."""
    control(lab, 'rabbit_disk_monitor:set_disk_free_limit("900GB")')
    try:
        await_alarm(lab, "disk_free_alarm", raised=True)
        yield
    finally:
        control(lab, 'rabbit_disk_monitor:set_disk_free_limit("50MB")')
        await_alarm(lab, "disk_free_alarm", raised=False)


@fault(failed=("test_no_alarm_is_raised",), touches=("rabbitmq",))
@shows("(?i)memory")
def memory_alarm(lab: DockerLab) -> Iterator[None]:
    """RabbitMQ uses more memory than its high watermark."""
    control(lab, 'vm_memory_monitor:set_vm_memory_high_watermark({absolute, "1MB"})')
    try:
        await_alarm(lab, "mem_alarm", raised=True)
        yield
    finally:
        control(lab, 'vm_memory_monitor:set_vm_memory_high_watermark({absolute, "350MB"})')
        await_alarm(lab, "mem_alarm", raised=False)


@fault(failed=("test_every_queue_is_declared",), touches=("rabbitmq",))
@shows("orders")
def queue_not_declared(lab: DockerLab) -> Iterator[None]:
    """A queue exists that is not declared in the inventory."""
    amqp(lab, "declare", "orders")
    try:
        await_count(lab, "orders", "messages_ready", 0)
        yield
    finally:
        amqp(lab, "delete", "orders")


@fault(failed=tuple(check for check in QUEUE_LIST if check != "test_every_queue_is_declared"), touches=("rabbitmq",))
@shows(r"\A(?![\s\S]*(inbound\.queue|events))")
def queues_deleted(lab: DockerLab) -> Iterator[None]:
    """No queue matches the declared patterns."""
    amqp(lab, "delete", *QUEUES, *DEAD, STREAM)
    yield
    control(lab, CLOSE_ALL)  # the worker declares queues when connecting
    await_worker(lab)


@fault(unknown=("test_broker_responds", "test_no_alarm_is_raised", *QUEUE_LIST))
def rabbitmq_refuses_the_monitor(lab: DockerLab) -> Iterator[None]:
    """The monitor's password was changed in RabbitMQ, but not in the password file: the broker's state is unknown."""
    with written(lab, f"{MONITOR_FOLDER}/rabbitmq.netrc", NETRC.format("not-this-one")):
        yield


def _await_broker(lab: DockerLab) -> None:
    await_worker(lab)
    await_alarm(lab, "mem_alarm", raised=False)
    await_health(RABBITMQ)
