"""Nothing happened to the containers since the last run.

A container that Docker started again runs at every glance, and everyone connected to it was cut off.
"""

import pytest

pytestmark = pytest.mark.daily


@pytest.mark.remedy("docker", "logs", "--timestamps", "--tail", "200", "{container}")
def test_container_was_not_restarted(containers, container, increase, allowed):
    """Each start cuts off every client: the worker does not come back to RabbitMQ by itself."""
    assert increase(containers[container].restarts, allowed.container_restarts) in allowed.container_restarts


@pytest.mark.remedy("docker", "stats", "--no-stream", "{container}")
def test_container_was_not_out_of_memory(containers, container):
    """The kernel killed a process in it: give it more memory, or its server a smaller cache, and start it anew.

    Docker says so until the container starts again; engine 20.10 says so until the next start by hand.
    """
    assert not containers[container].out_of_memory, f"{container} ran out of memory, and a process in it was killed"
