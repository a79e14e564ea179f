"""RabbitMQ accepts messages, and every queue has consumers.

Consumers count by queue: a worker that lost its connection still reports itself online and healthy.
"""

import pytest

BROKER = pytest.mark.caused_by("test_broker_responds", on="host")
pytestmark = [pytest.mark.daily, pytest.mark.predeploy, pytest.mark.postdeploy, BROKER]

CONSUMERS = pytest.mark.remedy("rabbitmqctl", "list_queues", "name", "state", "consumers", "messages")
MESSAGES = pytest.mark.remedy("rabbitmqctl", "list_queues", "name", "messages_ready", "messages_unacknowledged")


@pytest.mark.remedy("rabbitmq-diagnostics", "status")
@pytest.mark.caused_by("test_container_is_running", on="container")
def test_broker_responds(broker_status, broker):
    """Without the broker no customer's message reaches the worker."""
    assert not broker_status.complaint, broker_status.complaint


@pytest.mark.remedy("rabbitmq-diagnostics", "alarms")
def test_no_alarm_is_raised(broker_status, broker):
    """Short of memory or disk space, RabbitMQ blocks all publishers."""
    assert not broker_status.alarms, "; ".join(broker_status.alarms)


@CONSUMERS
def test_every_queue_is_declared(queues, broker, evidence):
    """An undeclared queue fills up unnoticed: declare or delete it."""
    evidence("undeclared queues", queues.undeclared[:10])
    assert not queues.undeclared, f"queues that match no declared pattern: {len(queues.undeclared)}"


@CONSUMERS
def test_queue_pattern_matches_a_queue(queues, queue):
    """No queue matches the pattern: the worker did not create the queue, or changed the name."""
    assert queues[queue].names


@CONSUMERS
def test_queues_have_consumers(queues, consumed_queue, allowed, evidence):
    """After a restart of RabbitMQ, restart the worker: it does not reconnect."""
    unconsumed = queues[consumed_queue].unconsumed
    evidence(f"{len(unconsumed)} of {len(queues[consumed_queue].names)} queues have no consumer", unconsumed[:10])
    assert len(unconsumed) in allowed.queues_unconsumed


@MESSAGES
def test_ready_messages_are_within_limit(queues, work_queue, allowed, evidence):
    """Customers wait for these messages: the worker is too slow, or stuck on a message."""
    ready = queues[work_queue].ready
    evidence("longest queues", ready.top)
    assert ready.largest in allowed.messages_ready
    assert ready.total in allowed.messages_ready_total


@MESSAGES
def test_messages_are_acknowledged(queues, work_queue, allowed, evidence):
    """Unacknowledged messages are redelivered when their consumer disconnects."""
    unacknowledged = queues[work_queue].unacknowledged
    evidence("most unacknowledged", unacknowledged.top)
    assert unacknowledged.largest in allowed.messages_unacknowledged
    assert unacknowledged.total in allowed.messages_unacknowledged_total


@MESSAGES
def test_dead_letters_are_within_limit(queues, dead_letter_queue, allowed, evidence):
    """Failed messages have no consumer: inspect the oldest, then republish or purge."""
    messages = queues[dead_letter_queue].messages
    evidence("most dead letters", messages.top)
    assert messages.total in allowed.dead_letters


@MESSAGES
def test_no_new_dead_letters_arrive(queues, dead_letter_queue, increase, allowed, evidence):
    """A customer waits for each of these messages: the worker's log shows why processing failed."""
    evidence("most dead letters", queues[dead_letter_queue].messages.top)
    assert increase(queues[dead_letter_queue].growth, allowed.dead_letters_new) in allowed.dead_letters_new
