"""No container was restarted or ran out of memory since the last run.

A restarted container looks healthy at every glance, but the restart cut off every client.
"""

import pytest

pytestmark = pytest.mark.daily
LIST = ("docker", "ps", "--all")


@pytest.mark.remedy("docker", "logs", "--timestamps", "--tail", "200", "{container}", absent=LIST)
def test_container_was_not_restarted(containers, container, increase, allowed):
    """Each restart cuts off every client: after a restart of RabbitMQ restart the worker, which does not reconnect."""
    assert increase(containers[container].restarts, allowed.container_restarts) in allowed.container_restarts


@pytest.mark.remedy("docker", "stats", "--no-stream", "{container}", absent=LIST)
def test_container_was_not_out_of_memory(containers, container):
    """The kernel killed a process in the container: raise the memory limit, or shrink the server's cache, then restart.

    Docker reports the kill until the next start of the container; engine 20.10 until the next manual start.
    """
    assert not containers[container].out_of_memory, f"{container} ran out of memory: the kernel killed a process"
