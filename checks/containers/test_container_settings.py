"""The containers are set up so that they survive a reboot, a full disk and a curious neighbour.

Change the compose file too: what docker update changes lasts until the container is made anew.
"""

import pytest

pytestmark = [pytest.mark.daily, pytest.mark.postdeploy]


@pytest.mark.remedy("docker", "update", "--restart", "unless-stopped", "{container}")
def test_restart_policy_is_set(containers, container):
    """After a crash or a reboot it stays down until somebody starts it."""
    policy = containers[container].restart_policy
    assert policy in ("always", "unless-stopped"), f"{container} has restart policy {policy}"


@pytest.mark.remedy("docker", "port", "{container}")
def test_ports_are_on_loopback_only(containers, container):
    """Docker's own firewall rules come before those of ufw: bind the port to 127.0.0.1 in the compose file."""
    exposed = containers[container].exposed
    assert not exposed, f"{container} is open to other machines: {'; '.join(exposed)}"


def test_container_logs_are_limited(containers, container, allowed):
    """Docker keeps what a container prints, by default without end: set max-size and max-file, and make it anew."""
    state = containers[container]
    assert state.log_bytes < float("inf"), (
        f"{container} has a {state.log_driver} log without max-size, so it fills the disk"
    )
    assert state.log_bytes in allowed.container_logs


@pytest.mark.remedy("docker", "stats", "--no-stream", "{container}")
def test_container_memory_is_limited(containers, container):
    """Without a limit of its own it takes the host's memory, and the kernel kills whatever is largest."""
    assert containers[container].memory_bytes, f"{container} has no memory limit"


def test_image_is_pinned(containers, container):
    """The next pull of a moving tag brings another version, at a moment that nobody chose."""
    state = containers[container]
    assert state.pinned, f"{container} runs {state.image}, which names no version"


def test_shared_memory_fits_maintenance(containers, maintenance_memory, contained_database, host):
    """Parallel building of an index fails where shm_size is less than maintenance_work_mem.

    https://github.com/pgvector/pgvector#index-build-time
    """
    state = containers[host.databases[contained_database].container]
    shared, needed = state.shared_memory_bytes, maintenance_memory[contained_database]
    assert shared >= needed, (
        f"{state.name} has {shared >> 20} MiB of shared memory, maintenance needs {needed >> 20} MiB"
    )
